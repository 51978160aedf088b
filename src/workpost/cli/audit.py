"""`workpost audit`: the calls of the API, as CloudTrail records them; kept for 90 days."""

from __future__ import annotations

import argparse
import json
import re
import time
from typing import Any

from workpost.cli.common import EX_USAGE, add_settings, fail, load_settings, with_core
from workpost.operations.audit.reading import parse_time, read_audit
from workpost.store.core import Core
from workpost.store.tables.audit import list_audited

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "audit", help="show who called the API, and how", description=__doc__
    )
    parser.add_argument("--account", metavar="ID", help="one account only (default: all)")
    parser.add_argument(
        "--since", metavar="TIME", default="", help="2026-01-31T08:00Z, or 15m, 12h, 7d ago"
    )
    parser.add_argument("--event-name", metavar="ACTION", default="", help="one action only")
    parser.add_argument("--json", action="store_true", help="whole records, one a line")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the records, a line each; returns the exit code."""
    try:
        since = read_since(args.since, time.time_ns() // 1_000_000)
    except ValueError:
        return fail(f"--since {args.since}: neither a time nor like 15m, 12h, 7d", EX_USAGE)

    async def work(core: Core) -> None:
        accounts = [args.account] if args.account else await core.store.read(list_audited)
        for account in accounts:
            async for record in read_audit(core, account, since=since, event_name=args.event_name):
                print(json.dumps(record) if args.json else _line(record))

    with_core(load_settings(args), work)
    return 0


def read_since(text: str, now: int) -> int:
    """Milliseconds since the epoch, 0 for an empty text. Raises ValueError."""
    if not text:
        return 0
    ago = _AGO.fullmatch(text)
    return now - int(ago[1]) * _UNITS[ago[2]] if ago is not None else parse_time(text)


def _line(record: dict[str, Any]) -> str:
    identity = record["userIdentity"]
    line = "  ".join(
        (
            record["eventTime"],
            # What Workpost does by itself has no ARN.
            identity.get("arn") or identity["invokedBy"],
            record["sourceIPAddress"],
            record["eventName"],
            record.get("errorCode") or _outcome(record),
        )
    )
    # Names of roles, sessions and addresses may be as strangers wrote them.
    return "".join(each if each.isprintable() else "?" for each in line)


def _outcome(record: dict[str, Any]) -> str:
    """Of what an operator has ordered, how it stands; by whom."""
    details = record.get("serviceEventDetails") or {}
    if "command" not in details:
        # Older versions told of orders only that they were given.
        return "ok"
    return f"{details['outcome']}  {details['command']}  {details['operator']}"

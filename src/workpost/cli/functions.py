"""`workpost lambda`: invoke a function as a rule would, and read what functions printed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from workpost.cli.common import (
    EX_FAILED,
    EX_USAGE,
    add_settings,
    add_verb,
    fail,
    run_on_data,
)
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.integrations.logs.base import GroupMissing
from workpost.operations.functions.invoking import invoke
from workpost.operations.functions.logs import read_log
from workpost.store.core import Core

SECONDS = 15.0
"""As long as a rule waits."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "lambda", help="invoke functions, read their logs", description=__doc__
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    asked = add_verb(verbs, "invoke", "invoke a function in the name of an organization")
    asked.add_argument("arn", metavar="ARN", help="as a rule names it")
    asked.add_argument(
        "--event", metavar="FILE", default="-", help="a JSON document (default: standard input)"
    )
    asked.add_argument("--seconds", type=float, default=SECONDS, help="how long it may take")
    asked.set_defaults(run=run_invoke)
    read = verbs.add_parser("logs", help="show the last lines of a function's log")
    read.add_argument("name", metavar="NAME", help="the function's name, without its ARN")
    read.add_argument("--account", required=True, metavar="ID", help="twelve digits")
    read.add_argument("--lines", type=int, default=100, help="how many, at most (default: 100)")
    read.add_argument("--hours", type=int, default=24, help="how far back (default: 24)")
    add_settings(read)
    read.set_defaults(run=run_logs)


_MEANS = {
    Trouble.MISSING: "no [[lambda.functions]] of the settings maps this ARN for the organization's"
    " account, or its endpoint does not know it",
    Trouble.REFUSED: "its endpoint, or this machine, does not let us run it",
    Trouble.FAILED: "`workpost lambda logs` shows what one that runs here printed",
}
"""What to look at, for an operator."""


def run_invoke(args: argparse.Namespace) -> int:
    """Print the function's answer; returns the exit code."""
    try:
        text = sys.stdin.read() if args.event == "-" else Path(args.event).read_text()
        event = json.dumps(json.loads(text)).encode()
    except (OSError, UnicodeDecodeError) as error:
        return fail(f"the event cannot be read: {error}", EX_USAGE)
    except ValueError as error:
        return fail(f"the event is no JSON: {error}", EX_USAGE)

    async def work(core: Core) -> bytes:
        return await invoke(
            core,
            organization=args.organization,
            arn=args.arn,
            event=event,
            seconds=args.seconds,
        )

    try:
        answer = run_on_data(args, work)
    except FunctionFailed as error:
        more = f" ({_MEANS[error.trouble]})" if error.trouble in _MEANS else ""
        return fail(f"the function gave no answer: {error}{more}", EX_FAILED)
    print(answer.decode(errors="replace"))
    return 0


def run_logs(args: argparse.Namespace) -> int:
    """Print lines of a log; returns the exit code."""

    async def work(core: Core) -> list[str]:
        since = core.env.now() - args.hours * 3_600_000
        return await read_log(core, args.account, args.name, since=since, limit=args.lines)

    try:
        lines = run_on_data(args, work)
    except GroupMissing as error:
        return fail(str(error), EX_FAILED)
    for line in lines:
        print(line)
    return 0

"""`workpost out-of-office`: what senders hear while the owner of a mailbox is away."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import msgspec

from workpost.cli.common import print_json, shown_time
from workpost.cli.mailbox import add_mailbox_verb, run_on_mailbox
from workpost.domain.mailboxes.out_of_office import (
    EVERYONE,
    INSIDE,
    OutOfOffice,
    get_out_of_office,
    put_out_of_office,
)
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.out_of_office import DISABLED, ENABLED, SCHEDULED


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "out-of-office", help="answer for people who are away", description=__doc__
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, text in (
        ("show", "show the setting"),
        ("set", "answer from now on, or within a time"),
        ("off", "answer no more; the texts stay"),
    ):
        verb = add_mailbox_verb(verbs, name, text)
        verb.set_defaults(run={"show": show, "set": put, "off": off}[name])
        if name == "set":
            verb.add_argument(
                "--internal", metavar="TEXT", required=True, help="for people of the organization"
            )
            verb.add_argument("--external", metavar="TEXT", default="", help="for everybody else")
            verb.add_argument("--from", metavar="TIME", dest="starts", help="ISO 8601, UTC if bare")
            verb.add_argument("--until", metavar="TIME", dest="ends", help="ISO 8601, UTC if bare")


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidParameter(f"{text} is no time, such as 2026-12-24T12:00:00+01:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _show(setting: OutOfOffice) -> int:
    scheduled = setting.state == SCHEDULED
    print_json(
        {
            "State": setting.state,
            "StartTime": shown_time(setting.starts) if scheduled else None,
            "EndTime": shown_time(setting.ends) if scheduled else None,
            "Audience": setting.audience,
            "InternalReply": setting.internal,
            "ExternalReply": setting.external,
        }
    )
    return 0


def show(args: argparse.Namespace) -> int:
    """Print the setting as JSON; returns the exit code."""
    return _show(run_on_mailbox(args, get_out_of_office))


def put(args: argparse.Namespace) -> int:
    """Set it, and print it as JSON; returns the exit code. Raises InvalidParameter."""
    if (args.starts is None) != (args.ends is None):
        raise InvalidParameter("--from and --until go together")
    scheduled = args.starts is not None
    setting = OutOfOffice(
        state=SCHEDULED if scheduled else ENABLED,
        starts=_time(args.starts) if scheduled else 0,
        ends=_time(args.ends) if scheduled else 0,
        internal=args.internal,
        external=args.external,
        audience=EVERYONE if args.external else INSIDE,
    )

    async def work(core: Core, grant: Grant) -> OutOfOffice:
        await put_out_of_office(core, grant, setting)
        return await get_out_of_office(core, grant)

    return _show(run_on_mailbox(args, work))


def off(args: argparse.Namespace) -> int:
    """Answer no more, and print the setting as JSON; returns the exit code."""

    async def work(core: Core, grant: Grant) -> OutOfOffice:
        setting = msgspec.structs.replace(await get_out_of_office(core, grant), state=DISABLED)
        await put_out_of_office(core, grant, setting)
        return setting

    return _show(run_on_mailbox(args, work))

"""`workpost group`: who may write to a group."""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli.common import add_verb, print_json, run_on_data
from workpost.domain.directory import mail_routing
from workpost.domain.directory.mail_routing import SENDERS
from workpost.kernel.principal import Grant
from workpost.store.core import Core

JOB = "operator"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("group", help="say who may write to groups", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verb = add_verb(verbs, "senders", "show who may write to a group, or change that")
    verb.add_argument("group", metavar="GROUP", help="id, address or name")
    verb.add_argument(
        "senders",
        nargs="?",
        choices=tuple(SENDERS),
        help="`organization` and `members`: whoever has logged in as one",
    )
    verb.set_defaults(run=senders)


def senders(args: argparse.Namespace) -> int:
    """Change a group's senders where that is asked for, and show them; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> dict[str, Any]:
        if args.senders is not None:
            await core.store.write(
                mail_routing.set_group_senders,
                grant=grant,
                identifier=args.group,
                senders=args.senders,
            )
        row = await core.store.read(
            mail_routing.describe_entity, grant=grant, identifier=args.group
        )
        names = {value: name for name, value in SENDERS.items()}
        return {"GroupId": row.id, "Name": row.name, "Senders": names[row.senders]}

    print_json(run_on_data(args, work))
    return 0

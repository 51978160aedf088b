"""`workpost mailbox`: where a person's mail goes on to, and what was deleted."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from workpost.cli.common import add_settings, add_verb, print_json, run_on_data
from workpost.domain.directory import mail_routing
from workpost.formats.addresses import fold
from workpost.kernel.errors import ResourceNotFound
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.addresses import get_holder
from workpost.store.tables.mailboxes import MailboxRow, get_mailbox

T = TypeVar("T")
JOB = "operator"
METAVAR = "MAILBOX"
HELP = "its address, or its number as `workpost check` shows it"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    # Here: that module finds mailboxes with this one's help.
    from workpost.cli.recoverable import add_verbs

    parser = commands.add_parser(
        "mailbox", help="forward people's mail, restore what they deleted", description=__doc__
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    text = "show where mail of a user or resource goes on to, or change that"
    verb = add_verb(verbs, "forward", text)
    verb.add_argument("user", metavar="USER", help="id, address or name")
    change = verb.add_mutually_exclusive_group()
    change.add_argument("--to", metavar="ADDRESS", help="the address it goes on to, anywhere")
    change.add_argument("--off", action="store_true", help="it stays in the mailbox")
    verb.add_argument(
        "--no-copy",
        action="store_true",
        help="with --to: the mailbox keeps only what cannot be sent on",
    )
    verb.set_defaults(run=forward)
    add_verbs(verbs)


def forward(args: argparse.Namespace) -> int:
    """Change forwarding where that is asked for, and show it as JSON; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> dict[str, Any]:
        if args.to is not None or args.off:
            await core.store.write(
                mail_routing.set_forwarding,
                grant=grant,
                identifier=args.user,
                address=args.to or "",
                keep_copy=not args.no_copy,
            )
        row = await core.store.read(mail_routing.describe_entity, grant=grant, identifier=args.user)
        return {
            "EntityId": row.id,
            "Name": row.name,
            "ForwardTo": row.forward or None,
            "KeepsCopy": row.mailbox is not None and (not row.forward or row.keeps_copy != 0),
        }

    print_json(run_on_data(args, work))
    return 0


async def find_mailbox(core: Core, text: str) -> MailboxRow:
    """The mailbox of this number or address. Raises ResourceNotFound."""
    number = 0
    if text.isdecimal():
        number = int(text)
    elif holder := await core.store.read(get_holder, addr_fold=fold(text)):
        number = holder.mailbox
    row = await core.store.read(get_mailbox, mailbox=number) if 0 < number < 1 << 63 else None
    if row is None:
        raise ResourceNotFound(f"there is no mailbox {text}")
    return row


def add_mailbox_verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a verb that works on one mailbox: MAILBOX, `--data` and `--config`."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("mailbox", metavar=METAVAR, help=HELP)
    add_settings(parser)
    return parser


def run_on_mailbox(args: argparse.Namespace, work: Callable[[Core, Grant], Awaitable[T]]) -> T:
    """Run `work(core, grant)` on the mailbox that the arguments name. Raises ResourceNotFound."""

    async def run(core: Core) -> T:
        row = await find_mailbox(core, args.mailbox)
        return await work(core, Grant.system(JOB, row.org, row.id))

    return run_on_data(args, run)

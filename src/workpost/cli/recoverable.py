"""`workpost mailbox recoverable`: what people deleted from Deleted Items, while it is kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from workpost.cli.common import add_verb, print_json, run_on_data, shown_time
from workpost.cli.mailbox import JOB, add_mailbox_verb, run_on_mailbox
from workpost.cli.ordering import ordered
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import recovering
from workpost.domain.organizations.recoverable import (
    MOST_DAYS,
    describe_recoverable_period,
    put_recoverable_period,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core

MOST_SHOWN = 10_000
MOST_TOLD = 1_000
"""Numbers of items in an audit record; the count is of all."""


def add_verbs(parent: Any) -> None:
    """Add `recoverable` and its verbs to those of `workpost mailbox`."""
    text = "list, restore and destroy what was deleted from Deleted Items"
    parser = parent.add_parser("recoverable", help=text, description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verb = add_mailbox_verb(verbs, "list", "list recoverable items, the one deleted last first")
    verb.add_argument("--limit", type=_limit, default=1_000, metavar="N", help="at most so many")
    verb.set_defaults(run=list_items)
    verb = add_mailbox_verb(
        verbs, "restore", "put items back where they were, or into another folder"
    )
    _add_choice(verb, "every item")
    verb.add_argument("--folder", metavar="PATH", help="the folder, such as INBOX or Archive/2026")
    verb.set_defaults(run=restore)
    verb = add_mailbox_verb(verbs, "purge", "destroy items before their time; this is final")
    _add_choice(verb, "every item")
    verb.set_defaults(run=purge)
    text = "show how long an organization keeps them, or change that"
    verb = add_verb(verbs, "period", text)
    change = verb.add_mutually_exclusive_group()
    change.add_argument(
        "--days", type=int, metavar="N", help=f"0 (destroy at once) to {MOST_DAYS} days"
    )
    change.add_argument("--default", action="store_true", help="as retention.recoverable_days says")
    verb.set_defaults(run=period)


def _add_choice(verb: argparse.ArgumentParser, every: str) -> None:
    choice = verb.add_mutually_exclusive_group(required=True)
    choice.add_argument(
        "--number",
        type=int,
        action="append",
        metavar="N",
        dest="numbers",
        help="an item's Number as `list` shows it; may be repeated",
    )
    choice.add_argument("--all", action="store_true", help=every)


def _limit(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_SHOWN:
        raise argparse.ArgumentTypeError(f"1 to {MOST_SHOWN}")
    return number


def list_items(args: argparse.Namespace) -> int:
    """Print recoverable items as JSON; returns the exit code."""

    async def work(core: Core, grant: Grant) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        below = recovering.END
        while len(shown) < args.limit:
            limit = min(recovering.PAGE, args.limit - len(shown))
            page = await recovering.list_items(core, grant, below=below, limit=limit)
            shown += [_shown(item) for item in page]
            if len(page) < limit:
                break
            below = page[-1].number
        return shown

    print_json(run_on_mailbox(args, work))
    return 0


def _shown(item: recovering.Kept) -> dict[str, Any]:
    return {
        "Number": item.number,
        "Subject": item.subject,
        "From": item.from_,
        "Size": item.size,
        "Received": shown_time(item.received),
        "Deleted": shown_time(item.deleted),
        "Seen": item.seen,
    }


def restore(args: argparse.Namespace) -> int:
    """Restore items and print where they are as JSON; returns the exit code."""

    async def work(core: Core, grant: Grant) -> list[dict[str, Any]]:
        folder = None
        if args.folder is not None:
            folder = (await mailboxes.find_folder(core, grant, args.folder)).id
        numbers = args.numbers or await recovering.all_numbers(core, grant)
        await _record(core, numbers, folder=args.folder or "where they were")
        done = await recovering.restore(core, grant, numbers, folder=folder)
        paths = {each.id: each.path for each in await mailboxes.list_folders(core, grant)}
        return [
            {"Number": each.number, "Folder": paths.get(each.folder, ""), "Uid": each.uid}
            for each in done
        ]

    done = run_on_mailbox(args, work)
    print_json(done)
    return _missing(args.numbers, [each["Number"] for each in done])


def purge(args: argparse.Namespace) -> int:
    """Destroy items and print the numbers of those that were there; returns the exit code."""

    async def work(core: Core, grant: Grant) -> dict[str, Any]:
        numbers = args.numbers or await recovering.all_numbers(core, grant)
        await _record(core, numbers)
        return {"Purged": await recovering.purge(core, grant, numbers)}

    done = run_on_mailbox(args, work)
    print_json(done)
    return _missing(args.numbers, done["Purged"])


def _missing(asked: Sequence[int] | None, done: Sequence[int]) -> int:
    """Tell which of the numbers asked for are of no recoverable item; returns the exit code."""
    missing = sorted(set(asked or ()) - set(done))
    for number in missing:
        print(f"workpost: there is no recoverable item {number}", file=sys.stderr)
    return 1 if missing else 0


async def _record(core: Core, numbers: Sequence[int], **more: str) -> None:
    """What is ordered, in the audit log, before it is done."""
    told: dict[str, object] = {"count": len(numbers), "numbers": list(numbers[:MOST_TOLD])}
    await ordered(core, "", **told, **more)


def period(args: argparse.Namespace) -> int:
    """Change an organization's period where asked for, and show it; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> dict[str, Any]:
        if args.days is not None or args.default:
            await put_recoverable_period(core, grant, args.days)
        found = await describe_recoverable_period(core, grant)
        return {"Days": found.days, "Default": not found.own}

    print_json(run_on_data(args, work))
    return 0

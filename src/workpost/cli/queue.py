"""`workpost queue`: mail that was accepted and is not delivered yet."""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli.common import (
    EX_FAILED,
    add_settings,
    fail,
    load_settings,
    print_json,
    require_data,
    shown_time,
    with_core,
)
from workpost.formats.addresses import fold_domain
from workpost.kernel.errors import InvalidParameter
from workpost.operations.mailflow import orders
from workpost.operations.mailflow.listing import list_queue, show_entry
from workpost.store.core import Core
from workpost.store.tables.queue_orders import Choice
from workpost.store.tables.queue_routes import list_troubles

MOST_DESTINATIONS = 10_000


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("queue", help="look after the mail queue", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listing = _verb(verbs, "list", "show who waits for what, oldest message first")
    _add_choice(listing)
    listing.add_argument("--state", choices=("waiting", "leased", "held"))
    listing.set_defaults(run=show_list)
    show = _verb(verbs, "show", "show all that is known of one message")
    show.add_argument("which", metavar="ID", help="trace id or queue id")
    show.set_defaults(run=show_one)
    for name, text in (
        ("retry", "try messages now, held ones too"),
        ("hold", "keep messages until `retry`"),
        ("drop", "take messages out of the queue for good; their senders are told"),
    ):
        verb = _verb(verbs, name, text)
        _add_choice(verb)
        verb.add_argument("--all", action="store_true", help="the whole queue")
        verb.set_defaults(run=give_order, order=name)
        if name == "drop":
            verb.add_argument("--silent", action="store_true", help="do not tell the senders")
    destinations = _verb(verbs, "destinations", "show destinations that cannot be reached now")
    destinations.set_defaults(run=show_destinations)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    add_settings(parser)
    return parser


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("which", metavar="ID", nargs="?", help="trace id or queue id")
    parser.add_argument("--organization", metavar="ORG", help="of this organization only")
    parser.add_argument("--domain", metavar="DOMAIN", help="for this destination only")


def _choice(args: argparse.Namespace) -> Choice:
    """What is meant; what is said and empty, as a variable of a script may be, means nothing.

    Raises InvalidParameter.
    """
    named = Choice() if args.which is None else orders.named(args.which)
    route = "" if args.domain is None else fold_domain(args.domain)
    if args.organization == "" or (args.domain is not None and not route):
        raise InvalidParameter("--organization and --domain name something, or are not said.")
    return Choice(
        queue=named.queue,
        trace=named.trace,
        organization=args.organization or "",
        route=route,
        state=getattr(args, "state", None) or "",
    )


def show_list(args: argparse.Namespace) -> int:
    """List the queue as JSON; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    choice = _choice(args)
    queue = with_core(settings, lambda core: list_queue(core, choice))
    for one in queue:
        one |= {key: shown_time(one[key]) for key in TIMES if one.get(key) is not None}
    print_json(queue)
    return 0


def show_one(args: argparse.Namespace) -> int:
    """Show a message's entries as JSON; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    choice = orders.named(args.which)
    entries = with_core(settings, lambda core: show_entry(core, choice))
    if not entries:
        return fail(f"{args.which} is not in the queue")
    for entry in entries:
        for one in (entry, *entry["recipients"]):
            one |= {key: shown_time(one[key]) for key in TIMES if one.get(key) is not None}
    print_json(entries)
    return 0


TIMES = ("created", "due", "hold_until", "fallback_at")


def give_order(args: argparse.Namespace) -> int:
    """Retry, hold or drop, and print how many rows that concerned; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    choice = _choice(args)
    if choice == Choice() and not args.all:
        return fail("name a message, --organization or --domain, or say --all", code=2)

    async def work(core: Core) -> orders.Ordered:
        if args.order == "retry":
            return await orders.retry(core, choice)
        if args.order == "hold":
            return await orders.hold(core, choice)
        return await orders.drop(core, choice, silent=args.silent)

    done = with_core(settings, work)
    print_json({"Changed": done.changed, "Busy": done.busy})
    return 0 if done.changed or not args.which else EX_FAILED


def show_destinations(args: argparse.Namespace) -> int:
    """Show destinations in trouble as JSON; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    troubles = with_core(
        settings, lambda core: core.store.read(list_troubles, limit=MOST_DESTINATIONS)
    )
    print_json(
        [
            {
                "domain": one.route,
                "since": shown_time(one.since),
                "next_try": shown_time(one.until),
                "failures": one.failures,
                "status": one.status,
                "reason": one.reason,
            }
            for one in troubles
        ]
    )
    return 0

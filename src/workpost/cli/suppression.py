"""`workpost suppression`: addresses elsewhere that an organization sends nothing to for a while."""

from __future__ import annotations

import argparse

from workpost.cli.common import (
    add_verb,
    fail,
    load_settings,
    print_json,
    require_data,
    run_on_data,
    shown_time,
    with_core,
)
from workpost.domain.organizations import suppression
from workpost.domain.organizations.suppression import DAY_MS, Suppressed
from workpost.formats.addresses import AddressError, parse_mailbox
from workpost.store.core import Core

MOST_DAYS = 36_500


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "suppression", help="addresses that nothing is sent to", description=__doc__
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listing = add_verb(verbs, "list", "show the list of an organization")
    listing.set_defaults(run=show)
    adding = add_verb(verbs, "add", "send nothing to an address")
    adding.add_argument("address", metavar="ADDRESS")
    adding.add_argument("--days", type=int, default=0, help="for so long; 0: until it is removed")
    adding.add_argument("--reason", default="An administrator added it.")
    adding.set_defaults(run=add)
    removing = add_verb(verbs, "remove", "send to an address again")
    removing.add_argument("address", metavar="ADDRESS")
    removing.set_defaults(run=remove)


def show(args: argparse.Namespace) -> int:
    """Print the list as JSON; returns the exit code."""
    found = run_on_data(args, lambda core: suppression.list_suppressed(core, args.organization))
    print_json(
        [
            {
                "address": one.address,
                "source": one.source,
                "reason": one.reason,
                "since": shown_time(one.since),
                "until": shown_time(one.until) if one.until else None,
            }
            for one in found
        ]
    )
    return 0


def add(args: argparse.Namespace) -> int:
    """Put an address on the list; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    try:
        parse_mailbox(args.address, smtputf8=True)
    except AddressError as error:
        return fail(str(error))
    if not 0 <= args.days <= MOST_DAYS:
        return fail(f"--days is from 0 to {MOST_DAYS}")

    async def work(core: Core) -> None:
        until = core.env.now() + args.days * DAY_MS if args.days else 0
        new = Suppressed(address=args.address, source="operator", reason=args.reason, until=until)
        await suppression.add(core, args.organization, new)

    with_core(settings, work)
    return 0


def remove(args: argparse.Namespace) -> int:
    """Take an address off the list; exits 1 when it was not there."""
    there = run_on_data(
        args, lambda core: suppression.remove(core, args.organization, args.address)
    )
    return 0 if there else fail(f"{args.address} is not on the list of {args.organization}.")

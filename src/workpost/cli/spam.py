"""`workpost spam`: what an organization's people have taught by moving mail to and from Junk."""

from __future__ import annotations

import argparse

import msgspec

from workpost.cli.common import (
    add_settings,
    load_settings,
    print_json,
    require_data,
    with_core,
)
from workpost.operations.filtering.status import Knowledge, forget, knowledge
from workpost.store.core import Core


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("spam", help="what people taught", description=__doc__)
    parser.add_argument("what", choices=("status", "forget"), help="look, or begin anew")
    parser.add_argument("organization", metavar="ORG", help="m- and 32 hexadecimal digits")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what is known (after `forget`: nothing) as JSON; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)

    async def work(core: Core) -> Knowledge:
        if args.what == "forget":
            await forget(core, args.organization)
        return await knowledge(core, args.organization)

    known = msgspec.structs.asdict(with_core(settings, work))
    print_json({name.title(): count for name, count in known.items()})
    return 0

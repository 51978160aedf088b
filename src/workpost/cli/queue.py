"""`workpost queue list`: mail that was accepted and is not delivered yet."""

from __future__ import annotations

import argparse

from workpost.cli.common import (
    add_settings,
    load_settings,
    print_json,
    require_data,
    shown_time,
    with_core,
)
from workpost.operations.mailflow.listing import list_queue


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("queue", help="look at the mail queue", description=__doc__)
    parser.add_argument("what", choices=("list",))
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the queue as JSON; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    queue = with_core(settings, list_queue)
    for one in queue:
        one |= {"created": shown_time(one["created"]), "due": shown_time(one["due"])}
    print_json(queue)
    return 0

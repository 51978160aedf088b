"""`workpost journaling`: a report of each message in and out of an organization to one address."""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli.common import add_verb, print_json, run_on_data
from workpost.domain.organizations import journaling
from workpost.domain.organizations.journaling import Journaling
from workpost.kernel.principal import Grant
from workpost.store.core import Core

JOB = "operator"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("journaling", help="reports of all mail", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add_verb(verbs, "show", "show where reports go").set_defaults(run=show)
    verb = add_verb(verbs, "set", "send reports from the next message on")
    verb.add_argument("--to", required=True, metavar="ADDRESS", help="who gets the reports")
    verb.add_argument(
        "--failures", required=True, metavar="ADDRESS", help="who hears of those that fail"
    )
    verb.set_defaults(run=change)
    add_verb(verbs, "off", "end journaling").set_defaults(run=change, to="", failures="")


def show(args: argparse.Namespace) -> int:
    """Print the addresses as JSON; returns the exit code."""
    print_json(run_on_data(args, lambda core: _show(core, args)))
    return 0


async def _show(core: Core, args: argparse.Namespace) -> dict[str, Any]:
    found = await journaling.get_journaling(core, Grant.system(JOB, args.organization))
    return {"To": found.recipient or None, "Failures": found.fallback or None}


def change(args: argparse.Namespace) -> int:
    """Begin, change or end journaling and print the addresses; returns the exit code."""
    wanted = Journaling(args.to, args.failures)

    async def work(core: Core) -> dict[str, Any]:
        grant = Grant.system(JOB, args.organization)
        await journaling.set_journaling(core, grant, wanted)
        return await _show(core, args)

    print_json(run_on_data(args, work))
    return 0

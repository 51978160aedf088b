"""`workpost limits`: what an organization or one person may send, where it is not as the settings
say. 0 stands for no limit.
"""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli.common import add_verb, load_settings, print_json, run_on_data
from workpost.domain.directory import sending_limits
from workpost.domain.directory.sending_limits import OF_ORGANIZATION
from workpost.kernel.principal import Grant
from workpost.store.core import Core

JOB = "operator"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("limits", help="limits on sending", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    shown = _verb(verbs, "show", "show limits, and what was used of them today (UTC)")
    shown.set_defaults(run=show)
    put = _verb(verbs, "set", "set a limit")
    put.add_argument("name", metavar="NAME", choices=OF_ORGANIZATION, help="as in the settings")
    put.add_argument("value", metavar="NUMBER", type=int)
    put.set_defaults(run=change)
    drop = _verb(verbs, "reset", "go back to the organization's limit, or to the settings'")
    drop.add_argument("name", metavar="NAME", choices=OF_ORGANIZATION)
    drop.set_defaults(run=change, value=None)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = add_verb(verbs, name, text)
    parser.add_argument("--user", default="", help="of this user only: id, address or name")
    return parser


def show(args: argparse.Namespace) -> int:
    """Print limits and use as JSON; returns the exit code."""
    print_json(run_on_data(args, lambda core: _show(core, args)))
    return 0


async def _show(core: Core, args: argparse.Namespace) -> dict[str, Any]:
    shown = await core.store.read(
        sending_limits.show_limits,
        grant=Grant.system(JOB, args.organization),
        limits=load_settings(args).limits,
        identifier=args.user,
    )
    return {"Set": shown.own, "Limits": shown.counts, "SentToday": shown.sent}


def change(args: argparse.Namespace) -> int:
    """Set or reset a limit and print what counts now; returns the exit code."""

    async def work(core: Core) -> dict[str, Any]:
        await core.store.write(
            sending_limits.set_limit,
            grant=Grant.system(JOB, args.organization),
            name=args.name,
            value=args.value,
            identifier=args.user,
        )
        return await _show(core, args)

    print_json(run_on_data(args, work))
    return 0

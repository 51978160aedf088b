"""`workpost directory`: how the reading of a directory outside goes, and reading it now."""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli.common import add_settings, load_settings, print_json, with_core
from workpost.domain.directory import sync_runs
from workpost.domain.organizations.shell import describe_organization
from workpost.kernel.principal import Grant
from workpost.store.core import Core

JOB = "operator"
SHOWN = 1000
"""Problems that are printed."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("directory", help="LDAP directories", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    shown = _verb(verbs, "show", "show state and problems of an organization's directory")
    shown.set_defaults(run=show)
    now = _verb(verbs, "sync", "let the running server read the directory now")
    now.add_argument("--full", action="store_true", help="all of it, not only what was changed")
    now.set_defaults(run=sync)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("organization", metavar="ORG", help="m- and 32 hexadecimal digits")
    add_settings(parser)
    return parser


def show(args: argparse.Namespace) -> int:
    """Print state and problems as JSON; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> dict[str, Any]:
        row = await describe_organization(core, grant)
        problems = await core.store.read(sync_runs.list_problems, organization=row.id, limit=SHOWN)
        return {
            "OrganizationId": row.id,
            "State": row.state,
            "DirectoryId": row.directory_id,
            "DirectoryKind": row.directory_kind or None,
            "ErrorMessage": row.error,
            "Problems": [{"Name": one.dn, "Reason": one.reason} for one in problems],
        }

    print_json(with_core(load_settings(args), work))
    return 0


def sync(args: argparse.Namespace) -> int:
    """Let the next synchronization be due; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> None:
        await core.store.write(sync_runs.hasten_run, grant=grant, full=args.full)

    with_core(load_settings(args), work)
    return 0

"""`workpost account create`: an account of the API, above its organizations and access keys."""

from __future__ import annotations

import argparse

from workpost.cli.common import add_settings, load_settings, print_json, with_core
from workpost.cli.ordering import note
from workpost.domain.access.accounts import create_account
from workpost.store.core import Core


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("account", help="manage accounts of the API", description=__doc__)
    parser.add_argument("what", choices=("create",))
    parser.add_argument("--id", default="", help="twelve digits (default: random ones)")
    parser.add_argument("--name", default="", help="a name for the operator")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Create an account and print it as JSON; returns the exit code."""

    async def work(core: Core) -> str:
        account = await create_account(core, name=args.name, account=args.id)
        note(accountId=account)
        return account

    account = with_core(load_settings(args), work)
    print_json({"AccountId": account, "Name": args.name})
    return 0

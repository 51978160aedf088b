"""`workpost access-key create`: a key that signs API calls; its secret is shown this once."""

from __future__ import annotations

import argparse
from pathlib import Path

from workpost.cli.common import (
    EX_USAGE,
    add_settings,
    fail,
    load_settings,
    print_json,
    require_data,
    with_core,
)
from workpost.cli.ordering import note
from workpost.domain.access.accounts import NewAccessKey, create_access_key
from workpost.store.core import Core


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "access-key", help="manage access keys of the API", description=__doc__
    )
    parser.add_argument("what", choices=("create",))
    parser.add_argument(
        "--account", required=True, metavar="ID", help="the account's twelve digits"
    )
    parser.add_argument(
        "--policy", metavar="FILE", help="an IAM policy (default: allow everything)"
    )
    parser.add_argument(
        "--user", default="", metavar="NAME", help="the key's user (default: the account's root)"
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Create an access key and print it as JSON; returns the exit code."""
    try:
        policy = Path(args.policy).read_text() if args.policy else None
    except (OSError, UnicodeDecodeError) as error:
        return fail(f"the policy file cannot be read: {error}", EX_USAGE)

    async def work(core: Core) -> NewAccessKey:
        key = await create_access_key(core, args.account, policy=policy, user=args.user)
        note(accessKeyId=key.access_key_id)
        return key

    settings = load_settings(args)
    require_data(settings)
    key = with_core(settings, work)
    print_json(
        {
            "AccountId": key.account,
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret_access_key,
        }
    )
    return 0

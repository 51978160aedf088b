"""`workpost token`: personal access tokens, the passwords of mail clients where people sign in
through an identity provider. A token is shown once, when it is made.
"""

from __future__ import annotations

import argparse
from typing import Any

from workpost.cli.common import (
    add_settings,
    load_settings,
    print_json,
    require_data,
    shown_time,
    with_core,
)
from workpost.cli.ordering import note
from workpost.domain.access import token_shell
from workpost.domain.access.tokens import SCOPES, NewToken
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.access_tokens import TokenRow

JOB = "operator"
PAGE = 100


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("token", help="manage personal access tokens", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    make = _verb(verbs, "create", "make a token in a user's stead and show it this once")
    make.add_argument("user", metavar="USER", help="id, address or user name")
    make.add_argument("--name", required=True, help="what it is for, such as: phone")
    make.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help="a protocol that takes it as a password; may be repeated (default: all)",
    )
    make.set_defaults(run=create)
    show = _verb(verbs, "list", "list tokens, without the tokens themselves")
    show.add_argument("user", metavar="USER", nargs="?", default="", help="of this user only")
    show.set_defaults(run=list_all)
    drop = _verb(verbs, "delete", "delete a token; what it has opened ends within two seconds")
    drop.add_argument("token", metavar="ID", help="as `workpost token list` shows it")
    drop.set_defaults(run=delete)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("organization", metavar="ORG", help="m- and 32 hexadecimal digits")
    add_settings(parser)
    return parser


def _run(args: argparse.Namespace, work: Any) -> Any:
    settings = load_settings(args)
    require_data(settings)
    return with_core(settings, work)


def create(args: argparse.Namespace) -> int:
    """Print a new token as JSON; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> NewToken:
        scopes = args.scope or SCOPES
        made = await token_shell.create_token(core, grant, args.user, name=args.name, scopes=scopes)
        note(tokenId=made.id)
        return made

    made: NewToken = _run(args, work)
    print_json(
        {
            "PersonalAccessTokenId": made.id,
            "PersonalAccessToken": made.token,
            "ExpiresTime": _time(made.expires),
        }
    )
    return 0


def list_all(args: argparse.Namespace) -> int:
    """Print what is known of tokens as JSON, the oldest first; returns the exit code."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> list[TokenRow]:
        found: list[TokenRow] = []
        after = ""
        while True:
            page, after = await token_shell.list_tokens(
                core, grant, args.user, after=after, limit=PAGE
            )
            found += page
            if not after:
                return sorted(found, key=lambda row: (row.created, row.id))

    print_json([_shown(row) for row in _run(args, work)])
    return 0


def _shown(row: TokenRow) -> dict[str, Any]:
    return {
        "PersonalAccessTokenId": row.id,
        "UserId": row.entity,
        "Name": row.name,
        "Scopes": row.scopes.split(),
        "DateCreated": _time(row.created),
        "DateLastUsed": _time(row.used),
        "ExpiresTime": _time(row.expires),
    }


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else shown_time(milliseconds)


def delete(args: argparse.Namespace) -> int:
    """Delete a token and say so; returns the exit code. Raises ResourceNotFound."""
    grant = Grant.system(JOB, args.organization)

    async def work(core: Core) -> None:
        await token_shell.get_token(core, grant, args.token)
        await token_shell.delete_token(core, grant, args.token)

    _run(args, work)
    print(f"The token {args.token} is deleted.")
    return 0

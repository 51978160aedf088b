"""`workpost iam`: who may call the API: users, roles, policies and access keys of an account."""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from workpost.cli.common import (
    EX_USAGE,
    add_settings,
    fail,
    load_settings,
    print_json,
    shown_time,
    with_core,
)
from workpost.cli.ordering import note
from workpost.domain.access import iam
from workpost.domain.access.accounts import create_access_key
from workpost.kernel.errors import InvalidParameter
from workpost.store.core import Core
from workpost.store.tables.accounts import ACTIVE, INACTIVE, AccessKeyRow
from workpost.store.tables.iam import RoleRow, UserRow

Work = Callable[[Core, argparse.Namespace], Awaitable[Any]]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("iam", help="manage who may call the API", description=__doc__)
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    _add_users(kinds)
    _add_roles(kinds)
    _add_policies(kinds)
    _add_keys(kinds)
    _add_apply(kinds)


def _add(verbs: Any, name: str, work: Work, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--account", required=True, metavar="ID", help="twelve digits")
    add_settings(parser)
    parser.set_defaults(run=run, work=work)
    return parser


def _verbs(kinds: Any, kind: str, text: str) -> Any:
    parser = kinds.add_parser(kind, help=text, description=text)
    return parser.add_subparsers(metavar="VERB", required=True)


def run(args: argparse.Namespace) -> int:
    """Do it and print the result as JSON; returns the exit code."""
    try:
        args.documents = {
            name: Path(getattr(args, name)).read_text()
            for name in ("trust", "file")
            if getattr(args, name, None)
        }
    except (OSError, UnicodeDecodeError) as error:
        return fail(f"the file cannot be read: {error}", EX_USAGE)

    async def work(core: Core) -> Any:
        return await args.work(core, args)

    print_json(with_core(load_settings(args), work))
    return 0


# --- users ---------------------------------------------------------------------------------------


def _add_users(kinds: Any) -> None:
    verbs = _verbs(kinds, "user", "users, who have access keys of their own")
    for name, work, text in (
        ("create", _create_user, "create a user, who may do nothing yet"),
        ("get", _get_user, "show a user with policies and keys"),
        ("delete", _delete_user, "delete a user with policies and keys"),
    ):
        _add(verbs, name, work, text).add_argument("--name", required=True)
    _add(verbs, "list", _list_users, "list the users of an account")


def _user(row: UserRow) -> dict[str, Any]:
    return {
        "UserName": row.name,
        "UserId": row.id,
        "Arn": iam.user_arn(row.account, row.name),
        "CreateDate": shown_time(row.created),
    }


async def _create_user(core: Core, args: argparse.Namespace) -> Any:
    user_id = iam.fresh_id(core.env, "AIDA")
    return _user(
        await core.store.write(
            iam.create_user, account=args.account, name=args.name, user_id=user_id
        )
    )


async def _get_user(core: Core, args: argparse.Namespace) -> Any:
    view = await core.store.read(iam.get_user, account=args.account, name=args.name)
    return {
        **_user(view.row),
        "Policies": {name: json.loads(text) for name, text in view.policies.items()},
        "AccessKeys": [_key(row) for row in view.keys],
    }


async def _list_users(core: Core, args: argparse.Namespace) -> Any:
    return [_user(row) for row in await core.store.read(iam.list_users, account=args.account)]


async def _delete_user(core: Core, args: argparse.Namespace) -> Any:
    keys = await core.store.write(iam.delete_user, account=args.account, name=args.name)
    return {"UserName": args.name, "DeletedAccessKeys": keys}


# --- roles ---------------------------------------------------------------------------------------


def _add_roles(kinds: Any) -> None:
    verbs = _verbs(kinds, "role", "roles, which others assume for a while")
    for name, work, text, needed in (
        ("create", _create_role, "create a role, which may do nothing yet", True),
        ("update", _update_role, "change who may assume a role, or for how long", False),
    ):
        parser = _add(verbs, name, work, text)
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--trust", metavar="FILE", required=needed, help="trust policy: who may assume it"
        )
        parser.add_argument(
            "--max-session", type=int, metavar="SECONDS", help="3600 (the default) to 43200"
        )
    _add(verbs, "get", _get_role, "show a role with its policies").add_argument(
        "--name", required=True
    )
    _add(verbs, "delete", _delete_role, "delete a role; its sessions end").add_argument(
        "--name", required=True
    )
    _add(verbs, "list", _list_roles, "list the roles of an account")


def _role(row: RoleRow) -> dict[str, Any]:
    return {
        "RoleName": row.name,
        "RoleId": row.id,
        "Arn": iam.role_arn(row.account, row.name),
        "CreateDate": shown_time(row.created),
        "MaxSessionDuration": row.max_session,
        "AssumeRolePolicyDocument": json.loads(row.trust),
    }


def _role_values(args: argparse.Namespace) -> tuple[str | None, int | None]:
    trust = args.documents.get("trust")
    longest = args.max_session
    return (
        iam.check_trust(trust) if trust is not None else None,
        iam.check_max_session(longest) if longest is not None else None,
    )


async def _create_role(core: Core, args: argparse.Namespace) -> Any:
    trust, longest = _role_values(args)
    row = await core.store.write(
        iam.create_role,
        account=args.account,
        name=args.name,
        role_id=iam.fresh_id(core.env, "AROA"),
        trust=trust or "",
        max_session=longest or iam.MIN_SESSION,
    )
    return _role(row)


async def _update_role(core: Core, args: argparse.Namespace) -> Any:
    trust, longest = _role_values(args)
    row = await core.store.write(
        iam.update_role, account=args.account, name=args.name, trust=trust, max_session=longest
    )
    return _role(row)


async def _get_role(core: Core, args: argparse.Namespace) -> Any:
    view = await core.store.read(iam.get_role, account=args.account, name=args.name)
    policies = {name: json.loads(text) for name, text in view.policies.items()}
    return {**_role(view.row), "Policies": policies}


async def _list_roles(core: Core, args: argparse.Namespace) -> Any:
    return [_role(row) for row in await core.store.read(iam.list_roles, account=args.account)]


async def _delete_role(core: Core, args: argparse.Namespace) -> Any:
    await core.store.write(iam.delete_role, account=args.account, name=args.name)
    return {"RoleName": args.name}


# --- policies ------------------------------------------------------------------------------------


def _add_policies(kinds: Any) -> None:
    verbs = _verbs(kinds, "policy", "inline policies of users and roles")
    for name, work, text in (
        ("put", _put_policy, "give a user or role a policy, or replace it"),
        ("get", _get_policy, "show a policy"),
        ("delete", _delete_policy, "take a policy away"),
        ("list", _list_policies, "list the policies of a user or role"),
    ):
        parser = _add(verbs, name, work, text)
        owner = parser.add_mutually_exclusive_group(required=True)
        owner.add_argument("--user", metavar="NAME")
        owner.add_argument("--role", metavar="NAME")
        if name != "list":
            parser.add_argument("--name", required=True, help="the policy's name")
        if name == "put":
            parser.add_argument("--file", required=True, help="the policy, JSON")


def _owner(args: argparse.Namespace) -> tuple[str, str]:
    return (iam.USER, args.user) if args.user else (iam.ROLE, args.role)


async def _put_policy(core: Core, args: argparse.Namespace) -> Any:
    kind, owner = _owner(args)
    await core.store.write(
        iam.put_policy,
        account=args.account,
        kind=kind,
        owner=owner,
        name=iam.check_policy_name(args.name),
        document=iam.check_policy(args.documents["file"]),
    )
    return await _get_policy(core, args)


async def _policies(core: Core, args: argparse.Namespace) -> dict[str, str]:
    kind, owner = _owner(args)
    return await core.store.read(iam.get_policies, account=args.account, kind=kind, name=owner)


async def _get_policy(core: Core, args: argparse.Namespace) -> Any:
    text = (await _policies(core, args)).get(args.name)
    if text is None:
        raise InvalidParameter(f"The {' '.join(_owner(args))} has no policy {args.name}.")
    return {"PolicyName": args.name, "PolicyDocument": json.loads(text)}


async def _list_policies(core: Core, args: argparse.Namespace) -> Any:
    return list(await _policies(core, args))


async def _delete_policy(core: Core, args: argparse.Namespace) -> Any:
    kind, owner = _owner(args)
    await core.store.write(
        iam.delete_policy, account=args.account, kind=kind, owner=owner, name=args.name
    )
    return {"PolicyName": args.name}


# --- access keys ---------------------------------------------------------------------------------


def _add_keys(kinds: Any) -> None:
    verbs = _verbs(kinds, "access-key", "access keys; users have two at most, to replace one")
    _add(verbs, "create", _create_key, "create a key; its secret is shown once").add_argument(
        "--user", required=True, metavar="NAME"
    )
    _add(verbs, "list", _list_keys, "list the keys of a user, or of an account").add_argument(
        "--user", default="", metavar="NAME"
    )
    update = _add(verbs, "update", _update_key, "let a key work, or not")
    update.add_argument("--id", required=True, help="the access key id")
    update.add_argument("--state", required=True, choices=(ACTIVE, INACTIVE))
    _add(verbs, "delete", _delete_key, "delete a key").add_argument("--id", required=True)


def _key(row: AccessKeyRow) -> dict[str, Any]:
    return {
        "AccessKeyId": row.id,
        "UserName": row.name,
        "Status": row.state,
        "CreateDate": shown_time(row.created),
    }


async def _create_key(core: Core, args: argparse.Namespace) -> Any:
    key = await create_access_key(core, args.account, user=args.user, known_user=True)
    note(accessKeyId=key.access_key_id)
    return {
        "AccountId": key.account,
        "UserName": args.user,
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
    }


async def _list_keys(core: Core, args: argparse.Namespace) -> Any:
    rows = await core.store.read(iam.list_keys, account=args.account, user=args.user)
    return [_key(row) for row in rows]


async def _update_key(core: Core, args: argparse.Namespace) -> Any:
    await core.store.write(
        iam.set_key_state, account=args.account, access_key=args.id, state=args.state
    )
    return {"AccessKeyId": args.id, "Status": args.state}


async def _delete_key(core: Core, args: argparse.Namespace) -> Any:
    await core.store.write(iam.delete_key, account=args.account, access_key=args.id)
    return {"AccessKeyId": args.id}


# --- a file --------------------------------------------------------------------------------------


def _add_apply(kinds: Any) -> None:
    from workpost.cli import iam_apply

    iam_apply.add_parser(kinds)

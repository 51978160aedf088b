"""Users, roles, inline policies and access keys of an account, as an operator manages them.

Documents are checked before they are stored and never after. A user goes with its policies and
keys, a role with its policies and, from that moment, its sessions.
"""

from __future__ import annotations

import base64
import re

import msgspec
import orjson

from workpost.domain.access.policies import PolicyMalformed, parse_policy
from workpost.domain.access.trust import parse_trust
from workpost.kernel.clock import Environment
from workpost.kernel.errors import (
    InvalidParameter,
    NameUnavailable,
    ResourceNotFound,
)
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import accounts, iam
from workpost.store.tables.accounts import ACTIVE, INACTIVE, AccessKeyRow
from workpost.store.tables.iam import RoleRow, UserRow

USER = "user"
ROLE = "role"
MIN_SESSION = 3600
MAX_SESSION = 43_200

_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)


class UserView(msgspec.Struct, frozen=True):
    """A user with what hangs from it."""

    row: UserRow
    policies: dict[str, str]
    keys: list[AccessKeyRow]


class RoleView(msgspec.Struct, frozen=True):
    """A role with what hangs from it."""

    row: RoleRow
    policies: dict[str, str]


def user_arn(account: str, name: str) -> str:
    """The ARN of a user."""
    return f"arn:aws:iam::{account}:user/{name}"


def role_arn(account: str, name: str) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def fresh_id(env: Environment, prefix: str) -> str:
    """A new id in the form that tools know: a prefix of four letters and 16 of base32."""
    return prefix + base64.b32encode(env.random_bytes(10)).decode()


# --- what is checked before anything is stored ---------------------------------------------------


def check_name(name: str) -> str:
    """The name of a user or role. Raises InvalidParameter."""
    if _NAME.fullmatch(name) is None:
        raise InvalidParameter(f"{name!r}: names have up to 64 letters, digits or any of +=,.@_-")
    return name


def check_policy_name(name: str) -> str:
    """The name of an inline policy. Raises InvalidParameter."""
    if _POLICY_NAME.fullmatch(name) is None:
        raise InvalidParameter(
            f"{name!r}: names of policies have up to 128 letters, digits or any of +=,.@_-"
        )
    return name


def check_policy(document: str) -> str:
    """A policy document as it is stored, without spaces. Raises InvalidParameter."""
    try:
        parse_policy(document)
    except PolicyMalformed as error:
        raise InvalidParameter(f"The policy cannot be used: {error}.") from None
    return orjson.dumps(orjson.loads(document)).decode()


def check_trust(document: str) -> str:
    """A trust policy as it is stored. Raises InvalidParameter."""
    try:
        parse_trust(document)
    except PolicyMalformed as error:
        raise InvalidParameter(f"The trust policy cannot be used: {error}.") from None
    return orjson.dumps(orjson.loads(document)).decode()


def check_max_session(seconds: int) -> int:
    """The longest session of a role, 3600..43200 seconds. Raises InvalidParameter."""
    if not MIN_SESSION <= seconds <= MAX_SESSION:
        raise InvalidParameter(
            f"The longest session is between {MIN_SESSION} and {MAX_SESSION} seconds."
        )
    return seconds


# --- lookups -------------------------------------------------------------------------------------


def require_account(tx: Reader, account: str) -> None:
    """Raise ResourceNotFound unless there is such an account."""
    if accounts.get_account(tx, account=account) is None:
        raise ResourceNotFound(f"There is no account {account}.")


def get_user(tx: Reader, *, account: str, name: str) -> UserView:
    """A user. Raises ResourceNotFound."""
    row = _user(tx, account, name)
    return UserView(
        row, iam.get_policies(tx, owner=row.id), accounts.list_access_keys(tx, user_id=row.id)
    )


def _user(tx: Reader, account: str, name: str) -> UserRow:
    row = iam.get_user(tx, account=account, name=name)
    if row is None:
        require_account(tx, account)
        raise ResourceNotFound(f"There is no user {name} in account {account}.")
    return row


def list_users(tx: Reader, *, account: str) -> list[UserRow]:
    """The users of an account. Raises ResourceNotFound for an unknown account."""
    require_account(tx, account)
    return iam.list_users(tx, account=account)


def get_role(tx: Reader, *, account: str, name: str) -> RoleView:
    """A role. Raises ResourceNotFound."""
    row = _role(tx, account, name)
    return RoleView(row, iam.get_policies(tx, owner=row.id))


def _role(tx: Reader, account: str, name: str) -> RoleRow:
    row = iam.get_role(tx, account=account, name=name)
    if row is None:
        require_account(tx, account)
        raise ResourceNotFound(f"There is no role {name} in account {account}.")
    return row


def list_roles(tx: Reader, *, account: str) -> list[RoleRow]:
    """The roles of an account. Raises ResourceNotFound for an unknown account."""
    require_account(tx, account)
    return iam.list_roles(tx, account=account)


def get_policies(tx: Reader, *, account: str, kind: str, name: str) -> dict[str, str]:
    """The inline policies of a `user` or a `role`, by name. Raises ResourceNotFound."""
    return iam.get_policies(tx, owner=_owner(tx, account, kind, name))


def _owner(tx: Reader, account: str, kind: str, name: str) -> str:
    row = _user(tx, account, name) if kind == USER else _role(tx, account, name)
    return row.id


def _held(tx: Tx, account: str, kind: str, name: str) -> str:
    """The id of a user or role that nobody else changes meanwhile."""
    lock = iam.lock_user if kind == USER else iam.lock_role
    row = lock(tx, account=account, name=name)
    return row.id if row is not None else _owner(tx, account, kind, name)


# --- commands ------------------------------------------------------------------------------------


@command
def create_user(tx: Tx, *, account: str, name: str, user_id: str) -> UserRow:
    """Create a user that may do nothing yet. Raises NameUnavailable, ResourceNotFound."""
    require_account(tx, account)
    row = UserRow(user_id, account, check_name(name), tx.env.now())
    if not iam.insert_user(tx, row):
        raise NameUnavailable(f"There is a user {name} in account {account} already.")
    return row


@command
def delete_user(tx: Tx, *, account: str, name: str) -> int:
    """Delete a user with its policies and keys; returns the number of keys."""
    user_id = _held(tx, account, USER, name)
    iam.delete_policies(tx, owner=user_id)
    iam.delete_user(tx, user_id=user_id)
    return accounts.delete_user_keys(tx, user_id=user_id)


@command
def create_role(
    tx: Tx, *, account: str, name: str, role_id: str, trust: str, max_session: int
) -> RoleRow:
    """Create a role that may do nothing yet. Raises NameUnavailable, ResourceNotFound."""
    require_account(tx, account)
    row = RoleRow(role_id, account, check_name(name), trust, max_session, tx.env.now())
    if not iam.insert_role(tx, row):
        raise NameUnavailable(f"There is a role {name} in account {account} already.")
    return row


@command
def update_role(
    tx: Tx, *, account: str, name: str, trust: str | None, max_session: int | None
) -> RoleRow:
    """Change who may assume a role, or for how long; None leaves as it is."""
    _held(tx, account, ROLE, name)
    row = _role(tx, account, name)
    trust = trust if trust is not None else row.trust
    max_session = max_session if max_session is not None else row.max_session
    iam.set_role(tx, role_id=row.id, trust=trust, max_session=max_session)
    return msgspec.structs.replace(row, trust=trust, max_session=max_session)


@command
def delete_role(tx: Tx, *, account: str, name: str) -> None:
    """Delete a role with its policies; its sessions end."""
    role_id = _held(tx, account, ROLE, name)
    iam.delete_policies(tx, owner=role_id)
    iam.delete_role(tx, role_id=role_id)


@command
def put_policy(tx: Tx, *, account: str, kind: str, owner: str, name: str, document: str) -> None:
    """Give a `user` or a `role` an inline policy, or replace the one of that name."""
    held = _held(tx, account, kind, owner)
    iam.put_policy(tx, owner=held, name=name, document=document)


@command
def delete_policy(tx: Tx, *, account: str, kind: str, owner: str, name: str) -> None:
    """Take an inline policy away. Raises ResourceNotFound."""
    if not iam.delete_policy(tx, owner=_held(tx, account, kind, owner), name=name):
        raise ResourceNotFound(f"The {kind} {owner} has no policy {name}.")


@command
def set_key_state(tx: Tx, *, account: str, access_key: str, state: str) -> None:
    """Make a key `Active` or `Inactive`. Raises ResourceNotFound, InvalidParameter."""
    if state not in {ACTIVE, INACTIVE}:
        raise InvalidParameter(f"The state of a key is {ACTIVE} or {INACTIVE}.")
    if not accounts.set_key_state(tx, account=account, access_key=access_key, state=state):
        raise ResourceNotFound(f"There is no access key {access_key} in account {account}.")


@command
def delete_key(tx: Tx, *, account: str, access_key: str) -> None:
    """Delete a key. Raises ResourceNotFound."""
    if not accounts.delete_access_key(tx, account=account, access_key=access_key):
        raise ResourceNotFound(f"There is no access key {access_key} in account {account}.")


def list_keys(tx: Reader, *, account: str, user: str = "") -> list[AccessKeyRow]:
    """The keys of an account, or of one of its users."""
    if user:
        return get_user(tx, account=account, name=user).keys
    require_account(tx, account)
    return accounts.list_account_keys(tx, account=account)

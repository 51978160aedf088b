"""Accounts and access keys: who may call the API.

An access key is drawn here, sealed under the system key and shown once. What a user's key may do
is in the user's policies. What any other key may do is in its own; without one it may do everything
in its account.
"""

from __future__ import annotations

import base64
from functools import lru_cache

import msgspec

from workpost.domain.access.credentials import ROOT, USER, Credential
from workpost.domain.access.policies import Policy, PolicyMalformed, merge, parse_policy
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict, InvalidParameter, LimitExceeded, ResourceNotFound
from workpost.kernel.principal import Grant, Principal, Right
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.keys import sealing
from workpost.store.tables import accounts, iam
from workpost.store.tables.accounts import ACTIVE, AccessKeyRow
from workpost.store.tables.iam import UserRow

ACCOUNT_DIGITS = 12
INSTALLATION = "0" * ACCOUNT_DIGITS
"""Nobody's account: the audit log tells under it what concerns the whole installation."""
MAX_NAME = 64
KEYS_OF_A_USER = 2
"""So that one can be replaced while the other works."""


class NewAccessKey(msgspec.Struct, frozen=True):
    """An access key as it is shown once, at its making."""

    access_key_id: str
    secret_access_key: str
    account: str

    def __repr__(self) -> str:
        return f"NewAccessKey({self.access_key_id!r}, account={self.account!r})"


@command
def insert_account(tx: Tx, *, account: str, name: str) -> None:
    """Insert an account. Raises Conflict when the id is taken."""
    if not accounts.insert_account(tx, account=account, name=name):
        raise Conflict(f"The account {account} exists already.")


@command
def insert_access_key(tx: Tx, *, row: AccessKeyRow, known_user: bool) -> AccessKeyRow:
    """Insert an access key of an account, and of the user of the key's name where there is one.

    Raises ResourceNotFound for an unknown account and, with `known_user`, for an unknown user;
    LimitExceeded for a user's third key; Conflict.
    """
    if accounts.get_account(tx, account=row.account) is None:
        raise ResourceNotFound(f"There is no account {row.account}.")
    user = iam.lock_user(tx, account=row.account, name=row.name) if row.name else None
    if user is not None:
        if len(accounts.list_access_keys(tx, user_id=user.id)) >= KEYS_OF_A_USER:
            raise LimitExceeded(
                f"The user {user.name} has {KEYS_OF_A_USER} access keys; delete one of them first."
            )
        row = msgspec.structs.replace(row, name=user.name, user_id=user.id)
    elif known_user:
        raise ResourceNotFound(f"There is no user {row.name} in account {row.account}.")
    if not accounts.insert_access_key(tx, row):
        raise Conflict(f"The access key {row.id} exists already.")
    return row


async def create_account(core: Core, *, name: str = "", account: str = "") -> str:
    """Create an account, with random twelve digits unless given, and return its id.

    Raises InvalidParameter, Conflict.
    """
    account = account or _random_account(core.env)
    if len(account) != ACCOUNT_DIGITS or not (account.isascii() and account.isdigit()):
        raise InvalidParameter("An account id has twelve digits.")
    if account == INSTALLATION:
        raise InvalidParameter(f"{INSTALLATION} stands for the whole installation.")
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidParameter(f"An account's name has at most {MAX_NAME} printable characters.")
    await core.store.write(insert_account, account=account, name=name)
    return account


def _random_account(env: Environment) -> str:
    return str(10**11 + int.from_bytes(env.random_bytes(16), "big") % (9 * 10**11))


async def create_access_key(
    core: Core,
    account: str,
    *,
    policy: str | None = None,
    user: str = "",
    known_user: bool = False,
) -> NewAccessKey:
    """Create an access key, for the account's root or a `user` name, and show it this once.

    Where the account has a user of that name (with `known_user` it must), the key works under the
    user's policies. `policy` is an IAM policy document (JSON) that limits this key, on top of
    them. Raises InvalidParameter for one that is malformed, ResourceNotFound for an unknown
    account, LimitExceeded for a user's third key, TryLater.
    """
    if policy is not None:
        try:
            parse_policy(policy)
        except PolicyMalformed as error:
            raise InvalidParameter(f"The policy cannot be used: {error}.") from None
    if len(user) > MAX_NAME or any(not (c.isalnum() or c in "+=,.@_-") for c in user):
        raise InvalidParameter("A user name has up to 64 letters, digits or any of +=,.@_-")
    # The forms that tools recognise: AKIA and 16 of base32, and 40 of base64.
    key_id = "AKIA" + base64.b32encode(core.env.random_bytes(10)).decode()
    secret = base64.b64encode(core.env.random_bytes(30)).decode()
    key = await core.keys.system()
    row = AccessKeyRow(
        id=key_id,
        account=account,
        name=user,
        sealed_secret=sealing.seal(key.key, secret.encode(), _place(account, key_id)),
        gen=key.gen,
        policy=policy,
        state=ACTIVE,
        created=core.env.now(),
    )
    await core.store.write(insert_access_key, row=row, known_user=known_user)
    return NewAccessKey(key_id, secret, account)


def _place(account: str, key_id: str) -> bytes:
    return sealing.place("access_key", "sealed_secret", account, "access_key", key_id)


class KeyFacts(msgspec.Struct, frozen=True):
    """A key with the user that it belongs to and that user's policies."""

    row: AccessKeyRow
    user: UserRow | None
    policies: list[str]


@quick
def find_key(tx: Reader, *, access_key: str) -> KeyFacts | None:
    """The key in any state; None also for one whose user is gone."""
    row = accounts.get_access_key(tx, access_key=access_key)
    if row is None:
        return None
    if row.user_id is None:
        return KeyFacts(row, None, [])
    user = iam.get_user_by_id(tx, user_id=row.user_id)
    if user is None:
        return None
    return KeyFacts(row, user, list(iam.get_policies(tx, owner=user.id).values()))


async def credential(core: Core, access_key_id: str) -> Credential | None:
    """The lasting access key of an API caller with its secret in clear, None when there is none.

    Raises TryLater when the system key is out of reach.
    """
    facts = await core.store.read(find_key, access_key=access_key_id)
    if facts is None:
        return None
    row, user = facts.row, facts.user
    key = await core.keys.system(row.gen)
    own = read_policy(row.policy) if row.policy is not None else None
    return Credential(
        access_key_id=row.id,
        account=row.account,
        secret=sealing.unseal(key.key, row.sealed_secret, _place(row.account, row.id)),
        principal_arn=f"arn:aws:iam::{row.account}:" + (f"user/{row.name}" if row.name else "root"),
        user_name=row.name,
        user_id=user.id if user is not None else row.id if row.name else row.account,
        kind=USER if row.name else ROOT,
        active=row.state == ACTIVE,
        policy=own if user is None else merge(map(read_policy, facts.policies)),
        limits=(own,) if user is not None and own is not None else (),
    )


@lru_cache(maxsize=256)
def read_policy(document: str) -> Policy:
    """A stored policy, parsed once."""
    return parse_policy(document)


def administer(*, account: str, caller: str, organization: str, address: str) -> Grant:
    """The grant of an API call that IAM has allowed; who owns the organization is checked with it.

    Made anew for every call, so it has no policy version. `caller` is the principal's ARN.
    """
    principal = Principal(
        actor=f"account:{account}/{caller}",
        organization=organization,
        protocol="API",
        address=address,
    )
    return Grant(principal=principal, organization=organization, rights=int(Right.ADMINISTER))

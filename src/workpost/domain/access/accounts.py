"""Accounts and access keys: who may call the API.

An access key is drawn here, sealed under the system key and shown once. What a key may do is its
IAM policy; a key without one may do everything in its account.
"""

from __future__ import annotations

import base64
from functools import lru_cache

import msgspec

from workpost.domain.access.credentials import Credential
from workpost.domain.access.policies import Policy, PolicyMalformed, parse_policy
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict, InvalidParameter, ResourceNotFound
from workpost.kernel.principal import Grant, Principal, Right
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import accounts
from workpost.store.tables.accounts import ACTIVE, AccessKeyRow

ACCOUNT_DIGITS = 12
MAX_NAME = 64


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
def insert_access_key(tx: Tx, *, row: AccessKeyRow) -> None:
    """Insert an access key of an account. Raises ResourceNotFound, Conflict."""
    if accounts.get_account(tx, account=row.account) is None:
        raise ResourceNotFound(f"There is no account {row.account}.")
    if not accounts.insert_access_key(tx, row):
        raise Conflict(f"The access key {row.id} exists already.")


async def create_account(core: Core, *, name: str = "", account: str = "") -> str:
    """Create an account, with random twelve digits unless given, and return its id.

    Raises InvalidParameter, Conflict.
    """
    account = account or _random_account(core.env)
    if len(account) != ACCOUNT_DIGITS or not (account.isascii() and account.isdigit()):
        raise InvalidParameter("An account id has twelve digits.")
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidParameter(f"An account's name has at most {MAX_NAME} printable characters.")
    await core.store.write(insert_account, account=account, name=name)
    return account


def _random_account(env: Environment) -> str:
    return str(10**11 + int.from_bytes(env.random_bytes(16), "big") % (9 * 10**11))


async def create_access_key(
    core: Core, account: str, *, policy: str | None = None, user: str = ""
) -> NewAccessKey:
    """Create an access key, for the account's root or a `user` name, and show it this once.

    `policy` is an IAM policy document (JSON). Raises InvalidParameter for one that is malformed,
    ResourceNotFound for an unknown account, TryLater.
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
    await core.store.write(insert_access_key, row=row)
    return NewAccessKey(key_id, secret, account)


def _place(account: str, key_id: str) -> bytes:
    return sealing.place("access_key", "sealed_secret", account, "access_key", key_id)


async def credential(core: Core, access_key_id: str) -> Credential | None:
    """The access key of an API caller with its secret in clear, None when there is none.

    Raises TryLater when the system key is out of reach.
    """
    row = await core.store.read(accounts.get_access_key, access_key=access_key_id)
    if row is None:
        return None
    key = await core.keys.system(row.gen)
    return Credential(
        access_key_id=row.id,
        account=row.account,
        secret=sealing.unseal(key.key, row.sealed_secret, _place(row.account, row.id)),
        principal_arn=f"arn:aws:iam::{row.account}:" + (f"user/{row.name}" if row.name else "root"),
        user_name=row.name,
        user_id=row.id if row.name else row.account,
        active=row.state == ACTIVE,
        policy=_policy(row.policy) if row.policy is not None else None,
    )


@lru_cache(maxsize=256)
def _policy(document: str) -> Policy:
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

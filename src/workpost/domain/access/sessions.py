"""Temporary credentials: AssumeRole and GetSessionToken, and what their tokens are.

Nothing is stored. A token holds the secret of its key, whose session it is and until when, sealed
under a key of the installation and bound to its access key id: it cannot be read, changed, or used
with another key. A role's session works under the policies that the role has now and ends with it;
a session of an access key ends with that key. A function's session is of a worker process that
runs one of the operator's callables, and ends when that is not mapped any more
(`function_policy`).
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import zlib

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workpost.domain.access import accounts
from workpost.domain.access.credentials import ROLE, Credential, SessionFacts
from workpost.domain.access.function_policy import mapped_callable, policy_of
from workpost.domain.access.iam import fresh_id, role_arn
from workpost.domain.access.policies import merge
from workpost.domain.access.trust import Trust, parse_trust
from workpost.store.core import Core
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import iam
from workpost.store.tables.iam import RoleRow

NONCE = 12
MAX_TOKEN = 8192


class Of(enum.IntEnum):
    """Whose session it is."""

    ROLE = 1
    KEY = 2
    FUNCTION = 3


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token holds."""

    of: Of
    subject: str
    """The id of a role, an access key, or the ARN of a function."""
    account: str
    secret: bytes
    issued: int
    expires: int
    name: str = ""
    """Of a role's session or a function's."""
    policy: str | None = None
    tags: dict[str, str] = {}


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Temporary credentials as they are shown, once."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: int
    """Milliseconds since the epoch."""

    def __repr__(self) -> str:
        return f"Session({self.access_key_id!r})"


class RoleFacts(msgspec.Struct, frozen=True):
    """A role with its policies."""

    row: RoleRow
    policies: list[str]

    @property
    def arn(self) -> str:
        """The role's ARN."""
        return role_arn(self.row.account, self.row.name)

    @property
    def trust(self) -> Trust:
        """Who may assume it."""
        return parse_trust(self.row.trust)


@quick
def find_role(tx: Reader, *, account: str, name: str) -> RoleFacts | None:
    """A role by its name."""
    row = iam.get_role(tx, account=account, name=name)
    return _facts(tx, row)


@quick
def find_role_by_id(tx: Reader, *, role_id: str) -> RoleFacts | None:
    """A role by its id."""
    return _facts(tx, iam.get_role_by_id(tx, role_id=role_id))


def _facts(tx: Reader, row: RoleRow | None) -> RoleFacts | None:
    if row is None:
        return None
    return RoleFacts(row, list(iam.get_policies(tx, owner=row.id).values()))


async def _cipher(core: Core) -> AESGCM:
    # Rotation never replaces it, and every node has the same.
    key = await core.keys.token_key("sts")
    return AESGCM(hashlib.blake2b(key, digest_size=32, person=b"sts sessions").digest())


async def open_role_session(
    core: Core,
    role: RoleFacts,
    *,
    name: str,
    seconds: int,
    policy: str | None,
    tags: dict[str, str],
) -> Session:
    """Make a session of a role that the caller may assume; `policy` limits it further."""
    now = core.env.now()
    claims = Claims(
        of=Of.ROLE,
        subject=role.row.id,
        account=role.row.account,
        secret=_secret(core),
        issued=now,
        expires=now + seconds * 1000,
        name=name,
        policy=policy,
        tags=tags,
    )
    return await _issue(core, claims)


async def open_key_session(core: Core, caller: Credential, *, seconds: int) -> Session:
    """Make a session of a lasting access key; it may do what the key may."""
    now = core.env.now()
    claims = Claims(
        of=Of.KEY,
        subject=caller.access_key_id,
        account=caller.account,
        secret=_secret(core),
        issued=now,
        expires=now + seconds * 1000,
    )
    return await _issue(core, claims)


async def open_function_session(
    core: Core, *, account: str, arn: str, name: str, seconds: int
) -> Session:
    """Make a session for a worker process of a function, mapped as `arn` for the account."""
    now = core.env.now()
    claims = Claims(
        of=Of.FUNCTION,
        subject=arn,
        account=account,
        secret=_secret(core),
        issued=now,
        expires=now + seconds * 1000,
        name=name,
    )
    return await _issue(core, claims)


def _secret(core: Core) -> bytes:
    return base64.b64encode(core.env.random_bytes(30))


async def _issue(core: Core, claims: Claims) -> Session:
    key_id = fresh_id(core.env, "ASIA")
    nonce = core.env.random_bytes(NONCE)
    plain = zlib.compress(msgspec.msgpack.encode(claims))
    sealed = (await _cipher(core)).encrypt(nonce, plain, key_id.encode())
    return Session(
        access_key_id=key_id,
        secret_access_key=claims.secret.decode(),
        session_token=base64.b64encode(nonce + sealed).decode(),
        expires=claims.expires,
    )


async def find_credential(
    core: Core, access_key_id: str, session_token: str | None = None
) -> Credential | None:
    """The access key of an API caller with its secret in clear.

    None when there is none, or the token does not belong to it. One that has expired is given: the
    caller looks at `expires` once the signature is known to be good. Raises TryLater.
    """
    if session_token is None:
        return await accounts.credential(core, access_key_id)
    claims = await _open(core, access_key_id, session_token)
    if claims is None:
        # A lasting key that came with somebody's token is told so by the front end.
        return await accounts.credential(core, access_key_id)
    if claims.of is Of.KEY:
        return await _of_key(core, access_key_id, session_token, claims)
    if claims.of is Of.FUNCTION:
        return _of_function(core, access_key_id, session_token, claims)
    return await _of_role(core, access_key_id, session_token, claims)


async def _open(core: Core, access_key_id: str, token: str) -> Claims | None:
    if len(token) > MAX_TOKEN:
        return None
    cipher = await _cipher(core)
    try:
        sealed = base64.b64decode(token, validate=True)
        plain = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], access_key_id.encode())
    except (binascii.Error, ValueError, InvalidTag):
        return None
    return msgspec.msgpack.decode(zlib.decompress(plain), type=Claims)


async def _of_key(core: Core, key_id: str, token: str, claims: Claims) -> Credential | None:
    parent = await accounts.credential(core, claims.subject)
    if parent is None:
        return None
    return msgspec.structs.replace(
        parent,
        access_key_id=key_id,
        secret=claims.secret,
        session_token=token,
        expires=claims.expires,
        session=SessionFacts(issued=claims.issued),
    )


async def _of_role(core: Core, key_id: str, token: str, claims: Claims) -> Credential | None:
    role = await core.store.read(find_role_by_id, role_id=claims.subject)
    if role is None:
        return None
    row = role.row
    return Credential(
        access_key_id=key_id,
        account=row.account,
        secret=claims.secret,
        principal_arn=session_arn(row, claims.name),
        user_id=f"{row.id}:{claims.name}",
        kind=ROLE,
        policy=merge(map(accounts.read_policy, role.policies)),
        limits=(accounts.read_policy(claims.policy),) if claims.policy is not None else (),
        session_token=token,
        expires=claims.expires,
        session=SessionFacts(
            issued=claims.issued,
            issuer_arn=role.arn,
            issuer_id=row.id,
            issuer_name=row.name,
            tags=claims.tags,
        ),
    )


def _of_function(core: Core, key_id: str, token: str, claims: Claims) -> Credential | None:
    mapped = mapped_callable(core.settings.lambda_.functions, claims.account, claims.subject)
    if mapped is None:
        return None
    function = claims.subject.split(":")[6]
    role = f"function-{function}"
    return Credential(
        access_key_id=key_id,
        account=claims.account,
        secret=claims.secret,
        principal_arn=f"arn:aws:sts::{claims.account}:assumed-role/{role}/{claims.name}",
        user_id=f"{role}:{claims.name}",
        kind=ROLE,
        policy=accounts.read_policy(policy_of(mapped.actions)),
        session_token=token,
        expires=claims.expires,
        session=SessionFacts(
            issued=claims.issued,
            issuer_arn=role_arn(claims.account, role),
            issuer_id=role,
            issuer_name=role,
        ),
        function=claims.subject,
    )


def session_arn(role: RoleRow, name: str) -> str:
    """The ARN of a role's session."""
    return f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}"

"""Impersonation roles as the API manages them, their effect, and the tokens that they are used by.

A change raises the policy version: grants that a role has given are stale at once, and what it may
do is decided anew. Rules of access control may go on naming a role that was deleted: its id never
comes back, and a condition that was dropped with it would let in whom it kept out.
"""

from __future__ import annotations

import base64
import hashlib

import msgspec

from workpost.domain.access.impersonation import (
    ImpersonationRole,
    ImpersonationRule,
    RoleVerdict,
    decide,
    read_role,
)
from workpost.domain.access.rules import refuse_both
from workpost.domain.directory.entities import REMOTE_USER, read_props, resolve_existing
from workpost.domain.organizations.idempotency import ClientToken, with_token
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import (
    EntityStateInvalid,
    InvalidParameter,
    LimitExceeded,
    ResourceNotFound,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import impersonation as table
from workpost.store.tables.entities import ENABLED, RESOURCE, USER
from workpost.store.tables.impersonation import RoleRow, TokenRow

TARGETS = (USER, RESOURCE)
"""What can have a mailbox to act on."""
LIFETIME_SECONDS = 15 * 60
SECRET_BYTES = 32
ORGANIZATION_BYTES = 16
TOKEN_CHARACTERS = 64
"""Base64 of both, without padding."""
EXPIRE_SLICE = 500


class KnownRole(msgspec.Struct, frozen=True):
    """A role with its id and its dates in ms."""

    id: str
    role: ImpersonationRole
    created: int
    modified: int


class RoleEffect(msgspec.Struct, frozen=True):
    """What a role may do with the mailbox of a user."""

    type: str
    verdict: RoleVerdict


_PAIRS = (("TargetUsers", "target_users", "not_target_users"),)


def _check(role: ImpersonationRole) -> None:
    ids = [rule.impersonation_rule_id for rule in role.rules]
    if len(set(ids)) < len(ids):
        raise InvalidParameter("Each rule of a role has an ImpersonationRuleId of its own.")
    for rule in role.rules:
        refuse_both(rule, _PAIRS)


def _known_role(row: RoleRow) -> KnownRole:
    return KnownRole(row.id, read_role(row.role), row.created, row.modified)


def require_role(tx: Reader, org: str, role: str) -> KnownRole:
    """The role of this id. Raises ResourceNotFound."""
    row = table.get_role(tx, org=org, id=role)
    if row is None:
        raise ResourceNotFound(f"The organization has no impersonation role {role}.")
    return _known_role(row)


def _store(tx: Tx, org: str, role_id: str, role: ImpersonationRole) -> None:
    def ids(given: tuple[str, ...]) -> tuple[str, ...]:
        found = (resolve_existing(tx, org, each, kinds=TARGETS).id for each in given)
        return tuple(dict.fromkeys(found))

    def resolved(rule: ImpersonationRule) -> ImpersonationRule:
        return msgspec.structs.replace(
            rule,
            target_users=ids(rule.target_users),
            not_target_users=ids(rule.not_target_users),
        )

    role = msgspec.structs.replace(role, rules=tuple(resolved(rule) for rule in role.rules))
    now = tx.env.now()
    row = RoleRow(role_id, msgspec.json.encode(role).decode(), now, now)
    table.put_role(tx, org=org, row=row)
    change_policy(tx, org)


@command
def create_role(
    tx: Tx,
    *,
    grant: Grant,
    role_id: str,
    role: ImpersonationRole,
    limit: int,
    token: ClientToken | None = None,
) -> str:
    """Insert a role; returns its id, that of the first call with this token.

    Raises EntityNotFound, EntityStateInvalid for deleted users, LimitExceeded when the organization
    has `limit` roles, InvalidParameter for a token that came with other parameters.
    """

    def insert() -> str:
        begin(tx, grant)
        if table.count_roles(tx, org=grant.organization) >= limit:
            raise LimitExceeded(f"The organization has {limit} roles, as many as it may.")
        _store(tx, grant.organization, role_id, role)
        return role_id

    return with_token(tx, token, str, insert)


@command
def update_role(tx: Tx, *, grant: Grant, role_id: str, role: ImpersonationRole) -> None:
    """Replace a role as a whole; its tokens go on with what it may now.

    Raises ResourceNotFound, EntityNotFound, EntityStateInvalid.
    """
    begin(tx, grant)
    require_role(tx, grant.organization, role_id)
    _store(tx, grant.organization, role_id, role)


@command
def delete_role(tx: Tx, *, grant: Grant, role_id: str) -> None:
    """Delete a role; its tokens stand for nothing from now on. None there is no error."""
    begin(tx, grant)
    if table.delete_role(tx, org=grant.organization, id=role_id):
        change_policy(tx, grant.organization)


@quick
def get_role(tx: Reader, *, grant: Grant, role_id: str) -> KnownRole:
    """The role of this id. Raises ResourceNotFound."""
    require_active(tx, grant)
    return require_role(tx, grant.organization, role_id)


def list_roles(tx: Reader, *, grant: Grant, after: str, limit: int) -> list[KnownRole]:
    """A page of roles by id."""
    require_active(tx, grant)
    rows = table.list_roles(tx, org=grant.organization, after=after, limit=limit)
    return [_known_role(row) for row in rows]


@quick
def role_effect(tx: Reader, *, grant: Grant, role_id: str, user: str) -> RoleEffect:
    """What a role may do with the mailbox of a user (any identifier).

    Raises ResourceNotFound, EntityNotFound, EntityStateInvalid for who has no mailbox.
    """
    require_active(tx, grant)
    role = require_role(tx, grant.organization, role_id).role
    row = resolve_existing(tx, grant.organization, user, kinds=TARGETS)
    if row.state != ENABLED or read_props(row).user_role == REMOTE_USER:
        raise EntityStateInvalid(f"The user {user} has no mailbox.")
    return RoleEffect(role.type, decide(role, row.id))


@command
def insert_token(tx: Tx, *, grant: Grant, role_id: str, hash: bytes) -> None:
    """Keep a token's hash for 15 minutes. Raises ResourceNotFound."""
    require_active(tx, grant)
    require_role(tx, grant.organization, role_id)
    expires = tx.env.now() + LIFETIME_SECONDS * 1000
    row = TokenRow(role_id, grant.principal.actor, expires)
    table.insert_token(tx, org=grant.organization, hash=hash, row=row)


@command
def expire_role_tokens(tx: Tx) -> int:
    """Forget up to 500 expired tokens; returns how many there were."""
    return table.delete_expired(tx, limit=EXPIRE_SLICE)


def hash_token(token: str) -> tuple[str, bytes] | None:
    """The organization that a token names and the token's hash; None for what is no token."""
    if len(token) != TOKEN_CHARACTERS:
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return None
    return f"m-{raw[:ORGANIZATION_BYTES].hex()}", hashlib.sha256(raw).digest()


async def create_impersonation_role(
    core: Core, grant: Grant, role: ImpersonationRole, token: ClientToken | None = None
) -> str:
    """Create a role; returns its id.

    Raises InvalidParameter for rules of one id and for users both included and excluded,
    EntityNotFound, EntityStateInvalid, LimitExceeded, OrganizationNotFound,
    OrganizationStateInvalid.
    """
    _check(role)
    return await core.store.write(
        create_role,
        grant=grant,
        role_id=core.env.new_uuid(),
        role=role,
        limit=core.settings.limits.impersonation_roles,
        token=token,
    )


async def update_impersonation_role(
    core: Core, grant: Grant, role_id: str, role: ImpersonationRole
) -> None:
    """Replace a role. Raises InvalidParameter, ResourceNotFound, EntityNotFound and the like."""
    _check(role)
    await core.store.write(update_role, grant=grant, role_id=role_id, role=role)


async def delete_impersonation_role(core: Core, grant: Grant, role_id: str) -> None:
    """Delete a role, if it is there."""
    await core.store.write(delete_role, grant=grant, role_id=role_id)


async def get_impersonation_role(core: Core, grant: Grant, role_id: str) -> KnownRole:
    """The role of this id. Raises ResourceNotFound."""
    return await core.store.read(get_role, grant=grant, role_id=role_id)


async def list_impersonation_roles(
    core: Core, grant: Grant, *, after: str, limit: int
) -> tuple[list[KnownRole], str]:
    """A page of roles and the id to continue after, "" at the end."""
    roles = await core.store.read(list_roles, grant=grant, after=after, limit=limit + 1)
    return roles[:limit], roles[limit - 1].id if len(roles) > limit else ""


async def impersonation_effect(core: Core, grant: Grant, role_id: str, user: str) -> RoleEffect:
    """What a role may do with a user's mailbox, rules of access control apart.

    Raises ResourceNotFound, EntityNotFound, EntityStateInvalid.
    """
    return await core.store.read(role_effect, grant=grant, role_id=role_id, user=user)


async def assume_impersonation_role(core: Core, grant: Grant, role_id: str) -> str:
    """A fresh token for a role: 64 characters, good for 15 minutes, kept as a hash only.

    Raises ResourceNotFound, OrganizationNotFound, OrganizationStateInvalid.
    """
    raw = bytes.fromhex(grant.organization[2:]) + core.env.random_bytes(SECRET_BYTES)
    digest = hashlib.sha256(raw).digest()
    await core.store.write(insert_token, grant=grant, role_id=role_id, hash=digest)
    return base64.urlsafe_b64encode(raw).decode()

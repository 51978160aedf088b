"""Acting for somebody else by an impersonation role's token: what EWS asks for each request.

Everything is decided anew with every request: whether the role is there and its organization
active, whether the rules of access control let the role in from this address, and whether the
role's own rules cover the mailbox.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.access.impersonation import RIGHTS, ImpersonationRole, decide, read_role
from workpost.domain.access.login import Person, person_of
from workpost.domain.access.role_shell import TARGETS, hash_token
from workpost.formats import addresses as syntax
from workpost.kernel.errors import AccessDenied, AuthenticationFailed, MailboxNotFound
from workpost.kernel.principal import Grant, Principal
from workpost.kernel.trail import Scope, tell_access_control
from workpost.store.core import Core
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, entities
from workpost.store.tables import impersonation as table
from workpost.store.tables.organizations import get_policy_version

PROTOCOL = "EWS"
"""The only one that impersonation roles use."""


class Assumed(msgspec.Struct, frozen=True):
    """A role in use: who has assumed it, and the person that it is to act for, if there is one."""

    id: str
    role: ImpersonationRole
    actor: str
    person: Person | None
    expires: int
    """When the token ends by which it is used, in ms."""


@quick
def find_assumed(tx: Reader, *, org: str, hash: bytes, address: str) -> Assumed | None:
    """What a token stands for, with the person of an address; None for a token that is no good."""
    token = table.get_token(tx, org=org, hash=hash)
    if token is None:
        return None
    held = addresses.get_address(tx, addr_fold=syntax.fold(address))
    entity = held.entity if held is not None and held.org == org else ""
    return _assumed(tx, org, token.role, token.actor, entity, token.expires)


@quick
def find_again(tx: Reader, *, grant: Grant) -> Assumed | None:
    """The role and the person of a grant, as they are now.

    None when the role is gone or the token has expired that the grant was given for.
    """
    if grant.expires <= tx.env.now():
        return None
    principal, org = grant.principal, grant.organization
    return _assumed(tx, org, principal.role, principal.actor, grant.entity, grant.expires)


def _assumed(
    tx: Reader, org: str, role_id: str, actor: str, entity: str, expires: int
) -> Assumed | None:
    row = table.get_role(tx, org=org, id=role_id)
    if row is None or get_policy_version(tx, organization=org) is None:
        return None
    holder = entities.get_entity(tx, org=org, entity=entity) if entity else None
    person = person_of(tx, holder, kinds=TARGETS)
    return Assumed(role_id, read_role(row.role), actor, person, expires)


def _grant(core: Core, found: Assumed | None, address: str) -> Grant:
    if found is None:
        raise AuthenticationFailed("The token is not valid.")
    person = found.person
    if person is None or not person.enabled:
        raise MailboxNotFound("There is no such mailbox.")
    principal = Principal(
        actor=found.actor,
        organization=person.organization,
        on_behalf_of=person.entity,
        role=found.id,
        protocol=PROTOCOL,
        address=address,
    )
    rules = person.verdict(protocol=PROTOCOL, address=address, role=found.id)
    _tell(core, principal, person, rules.matched, "AccessControl", granted=rules.allowed)
    if not rules.allowed:
        raise AccessDenied("The organization's access-control rules do not allow this.")
    own = decide(found.role, person.entity)
    scope: Scope = "ImpersonationAccessControl"
    matched = [rule.impersonation_rule_id for rule in own.matched]
    _tell(core, principal, person, matched, scope, granted=own.allowed)
    if not own.allowed:
        raise AccessDenied("The rules of the impersonation role do not allow this.")
    return Grant(
        principal=principal,
        organization=person.organization,
        entity=person.entity,
        mailbox=person.mailbox,
        rights=int(RIGHTS[found.role.type]),
        policy_version=person.policy_version,
        password_version=person.password_version,
        expires=found.expires,
    )


def _tell(
    core: Core,
    principal: Principal,
    person: Person,
    rules: Sequence[str],
    scope: Scope,
    *,
    granted: bool,
) -> None:
    tell_access_control(
        core.trail,
        person.organization,
        principal,
        user_id=person.entity,
        rules=rules,
        granted=granted,
        scope=scope,
    )


async def impersonate(core: Core, *, token: str, target: str, address: str) -> Grant:
    """Open the mailbox of somebody as the role of a token may.

    `target` is any address of the person, `address` the client's IP address. What the person may
    do with the mailboxes of others, the grant may, within the role's type. It ends with the token.

    Raises AuthenticationFailed (token unknown or expired, role deleted, organization not active),
    MailboxNotFound (no such mailbox in the organization, or one that is not in use), AccessDenied
    (by access-control rules or the rules of the role).
    """
    known = hash_token(token)
    if known is None:
        raise AuthenticationFailed("The token is not valid.")
    organization, digest = known
    found = await core.store.read(find_assumed, org=organization, hash=digest, address=target)
    return _grant(core, found, address)


async def impersonate_again(core: Core, grant: Grant) -> Grant:
    """The grant to the mailbox of the same person under the role and rules of now.

    Raises what `impersonate` raises; AuthenticationFailed also when the token has expired and when
    the person has another mailbox by now.
    """
    found = await core.store.read(find_again, grant=grant)
    fresh = _grant(core, found, grant.principal.address)
    own = grant.principal.on_behalf_of == grant.entity
    if own and fresh.mailbox != grant.mailbox:
        raise AuthenticationFailed("The mailbox is another one by now.")
    return fresh

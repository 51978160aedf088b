"""Permissions on mailboxes: who may open another's, and who may send for whom.

What a group is granted reaches its members, through enabled groups in groups. FULL_ACCESS opens the
mailbox and does not let send; SEND_AS lets both From and Sender show the owner; SEND_ON_BEHALF
needs the login's own address as Sender (WorkMail guide, permissions).
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import REMOTE_USER, read_props, resolve
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.formats import addresses as syntax
from workpost.kernel.errors import EntityStateInvalid, InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import addresses, entities, mailboxes, permissions
from workpost.store.tables.entities import ENABLED, GROUP, EntityRow
from workpost.store.tables.permissions import (
    FULL_ACCESS,
    SEND_AS,
    SEND_ON_BEHALF,
    PermissionRow,
)

__all__ = ["FULL_ACCESS", "NAMES", "SEND_AS", "SEND_ON_BEHALF", "SharedMailbox"]

NAMES = {"FULL_ACCESS": FULL_ACCESS, "SEND_AS": SEND_AS, "SEND_ON_BEHALF": SEND_ON_BEHALF}
"""Permissions as the API spells them, in its order."""


class SharedMailbox(msgspec.Struct, frozen=True):
    """A mailbox in use whose owner lets others in; `address` is the owner's primary one."""

    owner: str
    address: str
    mailbox: int


def _require_enabled(row: EntityRow, given: str) -> None:
    if row.state != ENABLED:
        raise EntityStateInvalid(
            f"The {row.kind.lower()} {given} is not enabled; register it to WorkMail first."
        )


@command
def put_permission(tx: Tx, *, grant: Grant, owner: str, grantee: str, rights: int) -> None:
    """Set all that a grantee may do with an owner's mailbox.

    Raises EntityNotFound, EntityStateInvalid unless both are enabled, InvalidParameter for
    oneself, for nothing at all, and for full access to what has no mailbox.
    """
    begin(tx, grant)
    org = grant.organization
    target, actor = resolve(tx, org, owner), resolve(tx, org, grantee)
    _require_enabled(target, owner)
    _require_enabled(actor, grantee)
    if target.id == actor.id:
        raise InvalidParameter(f"{owner} needs no permission on its own mailbox.")
    if not rights:
        raise InvalidParameter("PermissionValues is empty; DeleteMailboxPermissions takes all.")
    if rights & FULL_ACCESS and _has_no_mailbox(target):
        raise InvalidParameter(f"{owner} has no mailbox to give full access to.")
    if permissions.put_permission(tx, org=org, owner=target.id, grantee=actor.id, rights=rights):
        change_policy(tx, org)


def _has_no_mailbox(row: EntityRow) -> bool:
    return row.kind == GROUP or read_props(row).user_role == REMOTE_USER


@command
def delete_permission(tx: Tx, *, grant: Grant, owner: str, grantee: str) -> None:
    """Take from a grantee what it may do with an owner's mailbox; nothing is no error.

    The grantee may be disabled by now. Raises EntityNotFound, EntityStateInvalid for a disabled
    owner.
    """
    begin(tx, grant)
    org = grant.organization
    target, actor = resolve(tx, org, owner), resolve(tx, org, grantee)
    _require_enabled(target, owner)
    if permissions.delete_permission(tx, org=org, owner=target.id, grantee=actor.id):
        change_policy(tx, org)


def list_permissions(
    tx: Reader, *, grant: Grant, owner: str, after: str, limit: int
) -> list[PermissionRow]:
    """A page of an owner's grantees. Raises EntityNotFound."""
    require_active(tx, grant)
    target = resolve(tx, grant.organization, owner)
    return permissions.list_permissions(
        tx, org=grant.organization, owner=target.id, after=after, limit=limit
    )


def identities(tx: Reader, *, org: str, entity: str) -> list[str]:
    """An entity, and all enabled groups that it belongs to, directly or through groups."""
    found = {entity: None}
    waiting = [entity]
    for member in waiting:
        for group in permissions.enabled_groups(tx, org=org, member=member):
            if group not in found:
                found[group] = None
                waiting.append(group)
    return list(found)


def find_shared(tx: Reader, *, grant: Grant, address: str) -> SharedMailbox | None:
    """The mailbox of an address, if the grant's person has full access to it."""
    held = addresses.get_address(tx, addr_fold=syntax.fold(address))
    if held is None or held.org != grant.organization:
        return None
    return get_shared(tx, grant=grant, owner=held.entity)


def get_shared(tx: Reader, *, grant: Grant, owner: str) -> SharedMailbox | None:
    """The mailbox of an entity, if the grant's person has full access to it."""
    org = grant.organization
    who = identities(tx, org=org, entity=grant.entity)
    rights = permissions.rights_of(tx, org=org, owner=owner, grantees=who)
    return _shared(tx, org, owner) if rights & FULL_ACCESS else None


def _shared(tx: Reader, org: str, owner: str) -> SharedMailbox | None:
    row = entities.get_entity(tx, org=org, entity=owner)
    if row is None or row.state != ENABLED or row.mailbox is None or not row.primary_address:
        return None
    mailbox = mailboxes.get_mailbox(tx, mailbox=row.mailbox)
    if mailbox is None or mailbox.org != org or mailbox.state != mailboxes.ACTIVE:
        return None
    return SharedMailbox(row.id, row.primary_address, mailbox.id)


def list_shared(tx: Reader, *, grant: Grant) -> list[SharedMailbox]:
    """The mailboxes to which the grant's person has full access, by address."""
    org = grant.organization
    owners: set[str] = set()
    for who in identities(tx, org=org, entity=grant.entity):
        owners.update(permissions.owners_for(tx, org=org, grantee=who, rights=FULL_ACCESS))
    owners.discard(grant.entity)
    found = (_shared(tx, org, owner) for owner in owners)
    return sorted((each for each in found if each is not None), key=lambda each: each.address)


def send_rights(tx: Reader, *, grant: Grant, address: str) -> int:
    """How the grant's person may send as an address of somebody else: bits, 0 for not at all."""
    held = addresses.get_address(tx, addr_fold=syntax.fold(address))
    if held is None:
        base = syntax.base_of_subaddress(syntax.fold(address))
        held = addresses.get_address(tx, addr_fold=base) if base else None
    org = grant.organization
    if held is None or held.org != org:
        return 0
    who = identities(tx, org=org, entity=grant.entity)
    rights = permissions.rights_of(tx, org=org, owner=held.entity, grantees=who)
    return rights & (SEND_AS | SEND_ON_BEHALF)


async def put_mailbox_permissions(
    core: Core, grant: Grant, *, owner: str, grantee: str, values: list[str]
) -> None:
    """Replace what a grantee may do with a mailbox. `values` as the API spells them.

    Raises EntityNotFound, EntityStateInvalid, InvalidParameter, OrganizationNotFound,
    OrganizationStateInvalid.
    """
    rights = 0
    for value in values:
        rights |= NAMES[value]
    await core.store.write(put_permission, grant=grant, owner=owner, grantee=grantee, rights=rights)


async def delete_mailbox_permissions(core: Core, grant: Grant, *, owner: str, grantee: str) -> None:
    """Take all from a grantee. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(delete_permission, grant=grant, owner=owner, grantee=grantee)


async def list_mailbox_permissions(
    core: Core, grant: Grant, owner: str, *, after: str, limit: int
) -> tuple[list[PermissionRow], str]:
    """A page of grantees and the id to continue after, "" at the end. Raises EntityNotFound."""
    rows = await core.store.read(
        list_permissions, grant=grant, owner=owner, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1].grantee if len(rows) > limit else ""

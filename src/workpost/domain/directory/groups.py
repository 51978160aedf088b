"""Queries and commands on groups and their members."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.burial import bury_named
from workpost.domain.directory.creation import insert
from workpost.domain.directory.entities import (
    Props,
    fold_name,
    require_enabled,
    resolve,
    resolve_existing,
)
from workpost.domain.directory.ownership import begin_own
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import entities, members
from workpost.store.tables.entities import GROUP, USER, EntityRow
from workpost.store.tables.members import MemberRow

MEMBER_KINDS = (USER, GROUP)


@command
def create_group(tx: Tx, *, grant: Grant, entity: str, name: str, hidden: bool) -> None:
    """Insert a disabled group without an address. Raises NameUnavailable."""
    version = begin_own(tx, grant)
    insert(
        tx,
        org=grant.organization,
        entity=entity,
        kind=GROUP,
        name=name,
        hidden=hidden,
        props=Props(),
        version=version,
    )


@quick
def describe_group(tx: Reader, *, grant: Grant, identifier: str) -> EntityRow:
    """The group; the id of a deleted one finds its tombstone. Raises EntityNotFound."""
    require_active(tx, grant)
    return resolve(tx, grant.organization, identifier, kinds=(GROUP,), deleted=True)


@command
def update_group(tx: Tx, *, grant: Grant, identifier: str, hidden: bool | None) -> None:
    """Show a group in the address list or hide it; None changes nothing.

    Raises EntityNotFound, EntityStateInvalid for a deleted group.
    """
    version = begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier, kinds=(GROUP,))
    if hidden is not None:
        entities.update_entity(
            tx, msgspec.structs.replace(row, hidden=int(hidden), version=version)
        )


@command
def delete_group(tx: Tx, *, grant: Grant, identifier: str) -> None:
    """Turn a disabled group into a tombstone without members; a repeat changes nothing.

    Raises EntityNotFound, EntityStateInvalid.
    """
    version = begin_own(tx, grant)
    org = grant.organization
    bury_named(tx, org=org, identifier=identifier, kind=GROUP, version=version)


@command
def add_member(tx: Tx, *, grant: Grant, group: str, member: str) -> None:
    """Add a user or group to a group; a repeat changes nothing.

    Members are added to enabled groups, and only enabled ones: raises EntityStateInvalid
    otherwise, EntityNotFound, and InvalidParameter for a cycle of groups.
    """
    begin_own(tx, grant)
    org = grant.organization
    parent = resolve_existing(tx, org, group, kinds=(GROUP,))
    child = resolve_existing(tx, org, member, kinds=MEMBER_KINDS)
    require_enabled(parent, group)
    require_enabled(child, member)
    if child.kind == GROUP and is_within(tx, org=org, group=parent.id, other=child.id):
        raise InvalidParameter(
            f"The group {child.name} cannot be a member of {parent.name}: it contains it."
        )
    if members.insert_member(tx, org=org, grp=parent.id, member=child.id):
        change_policy(tx, org)


def is_within(tx: Reader, *, org: str, group: str, other: str) -> bool:
    """Whether a group is the other one, or somewhere within it."""
    above: set[str] = set()
    waiting = [group]
    while waiting:
        one = waiting.pop()
        if one == other:
            return True
        if one not in above:
            above.add(one)
            waiting += members.list_groups(tx, org=org, member=one)
    return False


@command
def remove_member(tx: Tx, *, grant: Grant, group: str, member: str) -> None:
    """Remove a user or group from a group, whatever their states; no member, no change.

    Raises EntityNotFound, EntityStateInvalid for deleted ones.
    """
    begin_own(tx, grant)
    org = grant.organization
    parent = resolve_existing(tx, org, group, kinds=(GROUP,))
    child = resolve_existing(tx, org, member, kinds=MEMBER_KINDS)
    if members.delete_member(tx, org=org, grp=parent.id, member=child.id):
        change_policy(tx, org)


def list_members(
    tx: Reader, *, grant: Grant, identifier: str, after: str, limit: int
) -> list[MemberRow]:
    """A page of a group's direct members by id, disabled ones included.

    Raises EntityNotFound, EntityStateInvalid for a deleted group.
    """
    require_active(tx, grant)
    org = grant.organization
    row = resolve_existing(tx, org, identifier, kinds=(GROUP,))
    return members.list_members(tx, org=org, grp=row.id, after=after, limit=limit)


def list_groups_of(
    tx: Reader, *, grant: Grant, identifier: str, prefix: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """A page of (id, name) of the groups that have an entity as a direct member, by id.

    Raises EntityNotFound, EntityStateInvalid for a deleted entity.
    """
    require_active(tx, grant)
    org = grant.organization
    row = resolve_existing(tx, org, identifier)
    return members.list_groups_of(
        tx, org=org, member=row.id, prefix=fold_name(prefix), after=after, limit=limit
    )

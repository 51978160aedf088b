"""Queries and commands on resources: rooms and equipment, their booking options and delegates."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.booking import BookingOptions, check_options
from workpost.domain.directory.burial import bury_named
from workpost.domain.directory.creation import insert
from workpost.domain.directory.entities import (
    ROOM,
    Props,
    fold_name,
    name_taken,
    read_props,
    require_enabled,
    resolve,
    resolve_existing,
    write_props,
)
from workpost.domain.directory.groups import MEMBER_KINDS
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import delegates, entities
from workpost.store.tables.entities import RESOURCE, EntityRow

MAILBOX_ROLE = "RESOURCE"
"""The UserRole of the mailbox behind a resource."""


class ResourceChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What UpdateResource changes; None leaves a value as it is."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    hidden: bool | None = None
    options: BookingOptions | None = None


def options_of(props: Props) -> BookingOptions:
    """The booking options of a resource."""
    return BookingOptions(
        auto_accept=props.auto_accept_requests,
        decline_recurring=props.auto_decline_recurring_requests,
        decline_conflicting=props.auto_decline_conflicting_requests,
    )


@command
def create_resource(
    tx: Tx,
    *,
    grant: Grant,
    entity: str,
    name: str,
    type: str = ROOM,
    description: str = "",
    hidden: bool = False,
) -> None:
    """Insert a disabled resource without an address, which accepts what does not conflict.

    Raises NameUnavailable.
    """
    version = begin(tx, grant)
    insert(
        tx,
        org=grant.organization,
        entity=entity,
        kind=RESOURCE,
        name=name,
        hidden=hidden,
        props=Props(user_role=MAILBOX_ROLE, resource_type=type, description=description),
        version=version,
    )


@quick
def describe_resource(tx: Reader, *, grant: Grant, identifier: str) -> EntityRow:
    """The resource; the id of a deleted one finds its tombstone. Raises EntityNotFound."""
    require_active(tx, grant)
    return resolve(tx, grant.organization, identifier, kinds=(RESOURCE,), deleted=True)


@command
def update_resource(tx: Tx, *, grant: Grant, identifier: str, changes: ResourceChanges) -> None:
    """Change a resource.

    Raises EntityNotFound, EntityStateInvalid for a deleted one, NameUnavailable,
    InvalidConfiguration when nobody would answer requests any more.
    """
    version = begin(tx, grant)
    org = grant.organization
    row = resolve_existing(tx, org, identifier, kinds=(RESOURCE,))
    name = row.name if changes.name is None else changes.name
    holder = entities.get_by_name(tx, org=org, name_fold=fold_name(name))
    if holder is not None and holder.id != row.id:
        raise name_taken(name)
    if changes.options is not None:
        has_delegates = delegates.has_delegates(tx, org=org, resource=row.id)
        check_options(changes.options, has_delegates=has_delegates)
    changed = msgspec.structs.replace(
        row,
        name=name,
        name_fold=fold_name(name),
        display=name,
        display_fold=fold_name(name),
        hidden=row.hidden if changes.hidden is None else int(changes.hidden),
        props=write_props(_changed(read_props(row), changes)),
        version=version,
    )
    entities.update_entity(tx, changed)


def _changed(props: Props, changes: ResourceChanges) -> Props:
    options = options_of(props) if changes.options is None else changes.options
    description = changes.description
    return msgspec.structs.replace(
        props,
        resource_type=changes.type or props.resource_type,
        description=props.description if description is None else description,
        auto_accept_requests=options.auto_accept,
        auto_decline_recurring_requests=options.decline_recurring,
        auto_decline_conflicting_requests=options.decline_conflicting,
    )


@command
def delete_resource(tx: Tx, *, grant: Grant, identifier: str) -> None:
    """Turn a disabled resource into a tombstone without delegates; a repeat changes nothing.

    Raises EntityNotFound, EntityStateInvalid.
    """
    version = begin(tx, grant)
    org = grant.organization
    bury_named(tx, org=org, identifier=identifier, kind=RESOURCE, version=version)


def _pair(tx: Tx, grant: Grant, resource: str, entity: str) -> tuple[EntityRow, EntityRow]:
    org = grant.organization
    room = resolve_existing(tx, org, resource, kinds=(RESOURCE,))
    delegate = resolve_existing(tx, org, entity)
    if delegate.kind not in MEMBER_KINDS:
        raise InvalidParameter(f"The resource {entity} cannot be a delegate.")
    return room, delegate


@command
def add_delegate(tx: Tx, *, grant: Grant, resource: str, entity: str) -> None:
    """Let an enabled user or group answer for an enabled resource; a repeat changes nothing.

    Raises EntityNotFound, EntityStateInvalid, InvalidParameter for a resource as delegate.
    """
    begin(tx, grant)
    room, delegate = _pair(tx, grant, resource, entity)
    require_enabled(room, resource)
    require_enabled(delegate, entity)
    if delegates.insert_delegate(
        tx, org=grant.organization, resource=room.id, delegate=delegate.id
    ):
        change_policy(tx, grant.organization)


@command
def remove_delegate(tx: Tx, *, grant: Grant, resource: str, entity: str) -> None:
    """Let a user or group answer for a resource no more, whatever their states.

    No delegate, no change. Raises EntityNotFound, EntityStateInvalid for deleted ones,
    InvalidParameter for a resource as delegate.
    """
    begin(tx, grant)
    room, delegate = _pair(tx, grant, resource, entity)
    if delegates.delete_delegate(
        tx, org=grant.organization, resource=room.id, delegate=delegate.id
    ):
        change_policy(tx, grant.organization)


def list_delegates(
    tx: Reader, *, grant: Grant, identifier: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """A page of (id, kind) of a resource's delegates, by id.

    Raises EntityNotFound, EntityStateInvalid for a deleted resource.
    """
    require_active(tx, grant)
    org = grant.organization
    row = resolve_existing(tx, org, identifier, kinds=(RESOURCE,))
    return delegates.list_delegates(tx, org=org, resource=row.id, after=after, limit=limit)

"""Queries and commands on users."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.burial import bury
from workpost.domain.directory.creation import insert
from workpost.domain.directory.entities import (
    Props,
    fold_name,
    read_props,
    require_disabled,
    resolve,
    resolve_existing,
    write_props,
)
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import EntityStateInvalid, LimitExceeded
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import entities, organizations
from workpost.store.tables.entities import DELETED, ENABLED, USER, EntityRow


class UserChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What UpdateUser changes; None leaves a value as it is.

    `props` has values by the names of `Props`.
    """

    display: str | None = None
    hidden: bool | None = None
    props: dict[str, str]


@command
def create_user(
    tx: Tx,
    *,
    grant: Grant,
    entity: str,
    name: str,
    display: str,
    hidden: bool,
    password: str | None,
    props: Props,
    limit: int,
) -> None:
    """Insert a disabled user without an address; `password` is a hash.

    Raises NameUnavailable when a user, group or resource of the organization has the name,
    LimitExceeded when the organization has `limit` users.
    """
    version = begin(tx, grant)
    insert(
        tx,
        org=grant.organization,
        entity=entity,
        kind=USER,
        name=name,
        display=display,
        hidden=hidden,
        password=password,
        props=msgspec.structs.replace(props, password_version=version),
        version=version,
    )
    if not organizations.change_users(tx, organization=grant.organization, by=1, limit=limit):
        raise LimitExceeded(f"An organization has at most {limit} users.")


@quick
def describe_user(tx: Reader, *, grant: Grant, identifier: str) -> EntityRow:
    """The user; the id of a deleted one finds its tombstone. Raises EntityNotFound."""
    require_active(tx, grant)
    return resolve(tx, grant.organization, identifier, kinds=(USER,), deleted=True)


@command
def update_user(tx: Tx, *, grant: Grant, identifier: str, changes: UserChanges) -> None:
    """Change a user's attributes.

    Raises EntityNotFound, EntityStateInvalid for a deleted user and for another role of an enabled
    one, whose mailbox would come or go.
    """
    version = begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier, kinds=(USER,))
    props = read_props(row)
    role = changes.props.get("user_role", props.user_role)
    if role != props.user_role and row.state == ENABLED:
        raise EntityStateInvalid(
            f"The role of {identifier} can change only while it is deregistered from WorkMail."
        )
    display = row.display if changes.display is None else changes.display
    hidden = row.hidden if changes.hidden is None else int(changes.hidden)
    changed = msgspec.structs.replace(
        row,
        display=display,
        display_fold=fold_name(display),
        hidden=hidden,
        props=write_props(msgspec.structs.replace(props, **changes.props)),
        version=version,
    )
    entities.update_entity(tx, changed)


@command
def delete_user(tx: Tx, *, grant: Grant, identifier: str) -> None:
    """Turn a disabled user into a tombstone; a mailbox it had is kept until its purge date.

    Deleting a deleted user again changes nothing. Raises EntityNotFound, EntityStateInvalid.
    """
    version = begin(tx, grant)
    org = grant.organization
    row = resolve(tx, org, identifier, kinds=(USER,), by_address=False, deleted=True)
    if row.state == DELETED:
        return
    require_disabled(row, identifier)
    bury(tx, row, version)
    organizations.change_users(tx, organization=org, by=-1, limit=0)


@command
def reset_password(tx: Tx, *, grant: Grant, identifier: str, password: str) -> None:
    """Store the hash of a new password; logins made with the old one end.

    Raises EntityNotFound, EntityStateInvalid for a deleted user.
    """
    version = begin(tx, grant)
    org = grant.organization
    row = resolve_existing(tx, org, identifier, kinds=(USER,))
    props = msgspec.structs.replace(read_props(row), password_version=version)
    entities.set_password(
        tx, org=org, entity=row.id, password=password, props=write_props(props), version=version
    )
    change_policy(tx, org)


@command
def replace_hash(tx: Tx, *, org: str, entity: str, old: str, new: str) -> None:
    """Keep the same password at the cost that the settings ask for now."""
    entities.replace_hash(tx, org=org, entity=entity, old=old, new=new)

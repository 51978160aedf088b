"""Queries and commands on users."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import (
    Props,
    fold_name,
    read_props,
    resolve,
    write_props,
)
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import EntityStateInvalid, NameUnavailable
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import entities, members
from workpost.store.tables.entities import DELETED, DISABLED, USER, EntityRow

SCAN = 500


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The one filter of a listing; all empty lists everybody who is not deleted."""

    name: str = ""
    display: str = ""
    address: str = ""
    state: str = ""
    identity: str = ""

    def order(self) -> tuple[str, str]:
        """The order that the filter needs and the folded prefix in it."""
        if self.display:
            return "display", fold_name(self.display)
        if self.address:
            return "address", fold_name(self.address)
        return "name", fold_name(self.name)


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
) -> None:
    """Insert a disabled user without an address; `password` is a hash.

    Raises NameUnavailable when a user, group or resource of the organization has the name.
    """
    version = begin(tx, grant)
    inserted = entities.insert_entity(
        tx,
        org=grant.organization,
        entity=entity,
        kind=USER,
        name=name,
        name_fold=fold_name(name),
        display=display,
        display_fold=fold_name(display),
        hidden=hidden,
        password=password,
        props=write_props(msgspec.structs.replace(props, password_version=version)),
        version=version,
    )
    if not inserted:
        raise name_taken(name)


def name_taken(name: str) -> NameUnavailable:
    """The error for a name that a user, group or resource has."""
    return NameUnavailable(f"The name {name} is used by a user, group or resource.")


@quick
def describe_user(tx: Reader, *, grant: Grant, identifier: str) -> EntityRow:
    """The user; the id of a deleted one finds its tombstone. Raises EntityNotFound."""
    require_active(tx, grant)
    return resolve(tx, grant.organization, identifier, kinds=(USER,), deleted=True)


def list_users(
    tx: Reader, *, grant: Grant, wanted: UserFilter, after: tuple[str, str], limit: int
) -> list[tuple[str, EntityRow]]:
    """A page of (sort key, user) after a key and id; deleted ones only when asked for."""
    require_active(tx, grant)
    order, prefix = wanted.order()
    found: list[tuple[str, EntityRow]] = []
    while len(found) < limit:
        rows = entities.list_entities(
            tx,
            org=grant.organization,
            kind=USER,
            order=order,
            prefix=prefix,
            state=wanted.state or None,
            after=after,
            limit=SCAN if wanted.identity else limit,
        )
        found += [row for row in rows if _has_identity(row[1], wanted.identity)]
        if not wanted.identity or len(rows) < SCAN:
            break
        after = rows[-1][0], rows[-1][1].id
    return found[:limit]


def _has_identity(row: EntityRow, prefix: str) -> bool:
    if not prefix:
        return True
    # The id may be preceded by ten digits of its store; people paste either form.
    identity = read_props(row).identity_provider_user_id.lower()
    return identity.startswith(prefix.lower()) or identity[11:].startswith(prefix.lower())


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
    if row.state != DISABLED:
        raise EntityStateInvalid(
            f"The user {identifier} is enabled; deregister it from WorkMail before deleting it."
        )
    members.delete_memberships(tx, org=org, entity=row.id)
    entities.delete_entity(tx, org=org, entity=row.id, version=version)
    change_policy(tx, org)


@command
def reset_password(tx: Tx, *, grant: Grant, identifier: str, password: str) -> None:
    """Store the hash of a new password; logins made with the old one end.

    Raises EntityNotFound.
    """
    version = begin(tx, grant)
    org = grant.organization
    row = resolve(tx, org, identifier, kinds=(USER,))
    props = msgspec.structs.replace(read_props(row), password_version=version)
    entities.set_password(
        tx, org=org, entity=row.id, password=password, props=write_props(props), version=version
    )
    change_policy(tx, org)


@command
def replace_hash(tx: Tx, *, org: str, entity: str, old: str, new: str) -> None:
    """Keep the same password at the cost that the settings ask for now."""
    entities.replace_hash(tx, org=org, entity=entity, old=old, new=new)

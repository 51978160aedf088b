"""Users, groups and resources as the domain sees them, and how identifiers find them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec

from workpost.formats import addresses as syntax
from workpost.kernel.errors import EntityNotFound, EntityStateInvalid, NameReserved, NameUnavailable
from workpost.store.database.unit import Reader
from workpost.store.tables import addresses, entities
from workpost.store.tables.entities import DELETED, ENABLED, GROUP, RESOURCE, USER, EntityRow

REMOTE_USER = "REMOTE_USER"
SYSTEM_USER = "SYSTEM_USER"
RESOURCE_USER = "RESOURCE"
"""Of a user that stands for a room or a piece of equipment in a directory outside."""
ROLES_OUTSIDE = frozenset({SYSTEM_USER, RESOURCE_USER})
"""Roles that only a directory outside gives."""
ROOM = "ROOM"
ANY_KIND = (USER, GROUP, RESOURCE)


class Props(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The properties that nothing searches for, kept as one JSON object, named as in the API."""

    user_role: str = USER
    first_name: str = ""
    last_name: str = ""
    initials: str = ""
    telephone: str = ""
    street: str = ""
    job_title: str = ""
    city: str = ""
    company: str = ""
    zip_code: str = ""
    department: str = ""
    country: str = ""
    office: str = ""
    identity_provider_user_id: str = ""
    identity_provider_identity_store_id: str = ""
    password_version: int = 0
    """The directory's counter when the password was last set; logins before it end."""
    resource_type: str = ROOM
    description: str = ""
    auto_accept_requests: bool = True
    auto_decline_recurring_requests: bool = False
    auto_decline_conflicting_requests: bool = True


_props = msgspec.json.Decoder(Props)


def read_props(row: EntityRow) -> Props:
    """The properties of a row."""
    return _props.decode(row.props)


def write_props(props: Props) -> str:
    """The JSON text of properties."""
    return msgspec.json.encode(props).decode()


class Entity(msgspec.Struct, frozen=True):
    """A user, group or resource (its row) with its properties read."""

    row: EntityRow
    props: Props

    @staticmethod
    def of(row: EntityRow) -> Entity:
        """Read a row's properties."""
        return Entity(row, read_props(row))


def fold_name(name: str) -> str:
    """The key of a user, group or display name: composed, lower case."""
    return unicodedata.normalize("NFC", name).lower()


def resolve(
    tx: Reader,
    org: str,
    identifier: str,
    *,
    kinds: tuple[str, ...] = ANY_KIND,
    by_address: bool = True,
    deleted: bool = False,
) -> EntityRow:
    """The entity that an identifier names: by id, else e-mail address, else name.

    Addresses and names are not case-sensitive; a user name may itself look like an address, so a
    name is tried last. With `deleted` the id of a deleted entity finds it, too. Raises
    EntityNotFound, also for entities of other `kinds`.
    """
    row = _find(tx, org, identifier, by_address=by_address)
    if row is None or row.kind not in kinds or (row.state == DELETED and not deleted):
        what = " or ".join(kind.lower() for kind in kinds)
        raise EntityNotFound(f"The organization has no {what} with the identifier {identifier}.")
    return row


def resolve_existing(
    tx: Reader,
    org: str,
    identifier: str,
    *,
    kinds: tuple[str, ...] = ANY_KIND,
    by_address: bool = True,
) -> EntityRow:
    """Like `resolve`, for calls that tell the id of a deleted entity from an unknown one.

    Raises EntityNotFound, EntityStateInvalid.
    """
    row = resolve(tx, org, identifier, kinds=kinds, by_address=by_address, deleted=True)
    if row.state == DELETED:
        raise EntityStateInvalid(f"The {row.kind.lower()} {identifier} is deleted.")
    return row


def require_enabled(row: EntityRow, identifier: str) -> None:
    """Raise EntityStateInvalid unless the entity is registered."""
    if row.state != ENABLED:
        raise EntityStateInvalid(
            f"The {row.kind.lower()} {identifier} is not enabled; register it to WorkMail first."
        )


def require_disabled(row: EntityRow, identifier: str) -> None:
    """Raise EntityStateInvalid for what is registered and so cannot be deleted."""
    if row.state == ENABLED:
        raise EntityStateInvalid(
            f"The {row.kind.lower()} {identifier} is enabled; deregister it from WorkMail before"
            " deleting it."
        )


def name_taken(name: str) -> NameUnavailable:
    """The error for a name that a user, group or resource has."""
    return NameUnavailable(f"The name {name} is used by a user, group or resource.")


def check_reserved(reserved: Sequence[str], name: str) -> None:
    """Raise NameReserved for a name that the installation keeps for the system."""
    if fold_name(name) in {fold_name(kept) for kept in reserved}:
        raise NameReserved(f"The name {name} is reserved.")


def _find(tx: Reader, org: str, identifier: str, *, by_address: bool) -> EntityRow | None:
    row = entities.get_entity(tx, org=org, entity=identifier)
    if row is not None:
        return row
    if by_address and "@" in identifier:
        found = addresses.get_address(tx, addr_fold=syntax.fold(identifier))
        if found is not None and found.org == org:
            return entities.get_entity(tx, org=org, entity=found.entity)
        remote = entities.find_remote(tx, org=org, addr_fold=syntax.fold(identifier))
        if remote is not None:
            return remote
    return entities.get_by_name(tx, org=org, name_fold=fold_name(identifier))

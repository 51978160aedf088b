"""Queries and commands on users."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.burial import bury_named
from workpost.domain.directory.creation import insert
from workpost.domain.directory.entities import (
    ROLES_OUTSIDE,
    Entity,
    Props,
    fold_name,
    read_props,
    resolve,
    resolve_existing,
    write_props,
)
from workpost.domain.directory.identities import claim_identity, identity_key
from workpost.domain.directory.imported import PERSONAL, Wanted
from workpost.domain.directory.ownership import begin_own, require_own_directory
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import EntityStateInvalid, LimitExceeded, Unsupported
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import entities, organizations
from workpost.store.tables.entities import ENABLED, USER, EntityRow

OURS = frozenset({"user_role", "identity_provider_user_id"})
"""Properties that are kept here also where the directory is outside."""


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
    InvalidParameter when another user has the IdentityProviderUserId, LimitExceeded when the
    organization has `limit` users.
    """
    version = begin_own(tx, grant)
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
    if props.identity_provider_user_id:
        user_id = props.identity_provider_user_id
        claim_identity(tx, org=grant.organization, entity=entity, user_id=user_id)
    if not organizations.change_users(tx, organization=grant.organization, by=1, limit=limit):
        raise LimitExceeded(f"An organization has at most {limit} users.")


@quick
def describe_user(tx: Reader, *, grant: Grant, identifier: str) -> EntityRow:
    """The user; the id of a deleted one finds its tombstone. Raises EntityNotFound."""
    require_active(tx, grant)
    return resolve(tx, grant.organization, identifier, kinds=(USER,), deleted=True)


def with_personal_data(user: Entity, wanted: Wanted) -> Entity:
    """A user with display name and personal data as the directory has them now."""
    personal = {field: getattr(wanted.props, field) for field in PERSONAL}
    return Entity(
        msgspec.structs.replace(user.row, display=wanted.display),
        msgspec.structs.replace(user.props, **personal),
    )


@command
def update_user(tx: Tx, *, grant: Grant, identifier: str, changes: UserChanges) -> None:
    """Change a user's attributes.

    Another IdentityProviderUserId ends what the one before has opened. Raises EntityNotFound,
    EntityStateInvalid for a deleted user and for another role of an enabled one, whose mailbox
    would come or go, InvalidParameter when another user has the IdentityProviderUserId,
    Unsupported for what is kept in a directory outside: names, personal data, and who is built in
    or a room.
    """
    version = begin(tx, grant)
    if changes.display is not None or not changes.props.keys() <= OURS:
        require_own_directory(tx, grant.organization)
    row = resolve_existing(tx, grant.organization, identifier, kinds=(USER,))
    props = read_props(row)
    role = changes.props.get("user_role", props.user_role)
    if role != props.user_role and props.user_role in ROLES_OUTSIDE:
        raise Unsupported(f"The role of {identifier} is kept in a directory that is read-only.")
    if role != props.user_role and row.state == ENABLED:
        raise EntityStateInvalid(
            f"The role of {identifier} can change only while it is deregistered from WorkMail."
        )
    after = msgspec.structs.replace(props, **changes.props)
    if _is_somebody_else(props, after):
        after = msgspec.structs.replace(after, identity_provider_identity_store_id="")
        user_id = after.identity_provider_user_id
        claim_identity(tx, org=grant.organization, entity=row.id, user_id=user_id)
        change_policy(tx, grant.organization)
    display = row.display if changes.display is None else changes.display
    hidden = row.hidden if changes.hidden is None else int(changes.hidden)
    changed = msgspec.structs.replace(
        row,
        display=display,
        display_fold=fold_name(display),
        hidden=hidden,
        props=write_props(after),
        version=version,
    )
    entities.update_entity(tx, changed)


def _is_somebody_else(before: Props, after: Props) -> bool:
    """True when another person of the identity provider is meant, or none any more."""
    old, new = before.identity_provider_user_id, after.identity_provider_user_id
    return identity_key(old) != identity_key(new)


@command
def delete_user(tx: Tx, *, grant: Grant, identifier: str) -> None:
    """Turn a disabled user into a tombstone; a mailbox it had is kept until its purge date.

    Deleting a deleted user again changes nothing. Raises EntityNotFound, EntityStateInvalid.
    """
    version = begin_own(tx, grant)
    org = grant.organization
    if bury_named(tx, org=org, identifier=identifier, kind=USER, version=version):
        organizations.change_users(tx, organization=org, by=-1, limit=0)


@command
def reset_password(tx: Tx, *, grant: Grant, identifier: str, password: str) -> None:
    """Store the hash of a new password; logins made with the old one end.

    Raises EntityNotFound, EntityStateInvalid for a deleted user.
    """
    version = begin_own(tx, grant)
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

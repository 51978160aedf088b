"""What DeleteUser, DeleteGroup and DeleteResource have in common."""

from __future__ import annotations

from workpost.domain.directory.entities import (
    Props,
    read_props,
    require_disabled,
    resolve,
    write_props,
)
from workpost.domain.organizations.state import change_policy
from workpost.store.database.unit import Tx
from workpost.store.tables import (
    access_tokens,
    delegates,
    device_overrides,
    entities,
    members,
    permissions,
    sending,
)
from workpost.store.tables.entities import DELETED, EntityRow


def bury(tx: Tx, row: EntityRow, version: int) -> None:
    """Turn a disabled entity into a tombstone that nothing refers to; its name is free.

    What is told of the person goes at once, a mailbox that it had stays until its purge date.
    """
    members.delete_memberships(tx, org=row.org, entity=row.id)
    delegates.delete_delegations(tx, org=row.org, entity=row.id)
    permissions.delete_permissions_of(tx, org=row.org, entity=row.id)
    access_tokens.delete_tokens_of(tx, org=row.org, entity=row.id)
    device_overrides.delete_overrides_of(tx, org=row.org, entity=row.id)
    sending.delete_of_entity(tx, org=row.org, entity=row.id)
    was = read_props(row)
    props = write_props(Props(user_role=was.user_role, resource_type=was.resource_type))
    entities.delete_entity(tx, org=row.org, entity=row.id, props=props, version=version)
    change_policy(tx, row.org)


def bury_named(tx: Tx, *, org: str, identifier: str, kind: str, version: int) -> bool:
    """Bury the disabled entity of a kind that an id or name means; False when it is gone already.

    Raises EntityNotFound, EntityStateInvalid for one that is not disabled.
    """
    row = resolve(tx, org, identifier, kinds=(kind,), by_address=False, deleted=True)
    if row.state == DELETED:
        return False
    require_disabled(row, identifier)
    bury(tx, row, version)
    return True

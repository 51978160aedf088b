"""What DeleteUser, DeleteGroup and DeleteResource have in common."""

from __future__ import annotations

from workpost.domain.directory.entities import Props, read_props, write_props
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
from workpost.store.tables.entities import EntityRow


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

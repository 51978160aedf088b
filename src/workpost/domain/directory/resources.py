"""Commands on resources: rooms and equipment, disabled and without an address when new."""

from __future__ import annotations

from workpost.domain.directory.entities import Props, fold_name, write_props
from workpost.domain.directory.users import name_taken
from workpost.domain.organizations.state import begin
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Tx, command
from workpost.store.tables import entities
from workpost.store.tables.entities import RESOURCE

MAILBOX_ROLE = "RESOURCE"
"""The UserRole of the mailbox behind a resource."""


@command
def create_resource(tx: Tx, *, grant: Grant, entity: str, name: str) -> None:
    """Insert a disabled room without an address. Raises NameUnavailable."""
    version = begin(tx, grant)
    inserted = entities.insert_entity(
        tx,
        org=grant.organization,
        entity=entity,
        kind=RESOURCE,
        name=name,
        name_fold=fold_name(name),
        display=name,
        display_fold=fold_name(name),
        hidden=False,
        password=None,
        props=write_props(Props(user_role=MAILBOX_ROLE)),
        version=version,
    )
    if not inserted:
        raise name_taken(name)

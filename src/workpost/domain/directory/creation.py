"""What CreateUser, CreateGroup and CreateResource have in common."""

from __future__ import annotations

from workpost.domain.directory.entities import Props, fold_name, name_taken, write_props
from workpost.store.database.unit import Tx
from workpost.store.tables import entities


def insert(
    tx: Tx,
    *,
    org: str,
    entity: str,
    kind: str,
    name: str,
    props: Props,
    version: int,
    display: str | None = None,
    hidden: bool = False,
    password: str | None = None,
) -> None:
    """Insert a disabled entity without an address; its name is shown unless `display` is given.

    Raises NameUnavailable when a user, group or resource of the organization has the name.
    """
    shown = name if display is None else display
    inserted = entities.insert_entity(
        tx,
        org=org,
        entity=entity,
        kind=kind,
        name=name,
        name_fold=fold_name(name),
        display=shown,
        display_fold=fold_name(shown),
        hidden=hidden,
        password=password,
        props=write_props(props),
        version=version,
    )
    if not inserted:
        raise name_taken(name)

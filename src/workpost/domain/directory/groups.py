"""Commands on groups and their members."""

from __future__ import annotations

from workpost.domain.directory.entities import Props, fold_name, resolve, write_props
from workpost.domain.directory.users import name_taken
from workpost.domain.organizations.state import begin, change_policy
from workpost.kernel.errors import EntityStateInvalid, InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import entities, members
from workpost.store.tables.entities import ENABLED, GROUP, USER, EntityRow


@command
def create_group(tx: Tx, *, grant: Grant, entity: str, name: str, hidden: bool) -> None:
    """Insert a disabled group without an address. Raises NameUnavailable."""
    version = begin(tx, grant)
    inserted = entities.insert_entity(
        tx,
        org=grant.organization,
        entity=entity,
        kind=GROUP,
        name=name,
        name_fold=fold_name(name),
        display=name,
        display_fold=fold_name(name),
        hidden=hidden,
        password=None,
        props=write_props(Props()),
        version=version,
    )
    if not inserted:
        raise name_taken(name)


@command
def add_member(tx: Tx, *, grant: Grant, group: str, member: str) -> None:
    """Add a user or group to a group; a repeat changes nothing.

    Members are added to enabled groups, and only enabled ones: raises EntityStateInvalid
    otherwise, EntityNotFound, and InvalidParameter for a cycle of groups.
    """
    begin(tx, grant)
    org = grant.organization
    parent = resolve(tx, org, group, kinds=(GROUP,))
    child = resolve(tx, org, member, kinds=(USER, GROUP))
    for row, given in ((parent, group), (child, member)):
        if row.state != ENABLED:
            raise EntityStateInvalid(
                f"The {row.kind.lower()} {given} is not enabled; register it to WorkMail first."
            )
    if child.kind == GROUP:
        _refuse_cycle(tx, parent, child)
    if members.insert_member(tx, org=org, grp=parent.id, member=child.id):
        change_policy(tx, org)


def _refuse_cycle(tx: Reader, parent: EntityRow, child: EntityRow) -> None:
    """Raise InvalidParameter when `child` is `parent` or above it."""
    above: set[str] = set()
    waiting = [parent.id]
    while waiting:
        group = waiting.pop()
        if group == child.id:
            raise InvalidParameter(
                f"The group {child.name} cannot be a member of {parent.name}: it contains it."
            )
        if group not in above:
            above.add(group)
            waiting += members.list_groups(tx, org=parent.org, member=group)

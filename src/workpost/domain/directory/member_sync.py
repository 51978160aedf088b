"""Commands that bring a group's members to what a directory outside has.

Each is a slice of the job in `operations/directories`, under the organization's lock. The names
that a group has as members are kept, so that an entry enters the groups that name it whenever it
comes, or comes to be called so.
"""

from __future__ import annotations

from workpost.domain.directory.groups import is_within
from workpost.domain.directory.sync_runs import begin_sync
from workpost.domain.organizations.state import change_policy
from workpost.store.database.unit import Tx, command
from workpost.store.tables import directory_entries, entities, members
from workpost.store.tables.entities import DELETED, GROUP, EntityRow
from workpost.store.tables.jobs import Lease

MEMBERS = 50
"""Members of one transaction."""


def follow_name(tx: Tx, row: EntityRow, old: str, new: str) -> bool:
    """Enter the groups that name an entry by its new name, leave those that name the old one.

    Names are folded, `old` is "" for a new entry. Returns whether a membership has changed.
    """
    changed = False
    if old == new:
        return changed
    if old:
        for grp in directory_entries.list_groups_naming(tx, org=row.org, dn_fold=old):
            changed |= members.delete_member(tx, org=row.org, grp=grp, member=row.id)
    for grp in directory_entries.list_groups_naming(tx, org=row.org, dn_fold=new):
        changed |= _enter(tx, row.org, grp, row.id)
    return changed


def _enter(tx: Tx, org: str, grp: str, member: str) -> bool:
    """Make an entity a member of a group; what would make a loop of groups is left out."""
    row = entities.get_entity(tx, org=org, entity=member)
    if row is None or row.state == DELETED:
        return False
    if row.kind == GROUP and is_within(tx, org=org, group=grp, other=member):
        return False
    return members.insert_member(tx, org=org, grp=grp, member=member)


@command
def note_members(
    tx: Tx, *, lease: Lease, lease_ms: int, run: int, guid: str, names: list[str]
) -> bool:
    """Note folded names that a group's entry has as members; False when it is no group here.

    Raises what `begin_sync` raises.
    """
    begin_sync(tx, lease, lease_ms)
    entry = directory_entries.get_entry(tx, org=lease.org, guid=guid)
    if entry is None or entry.kind != GROUP:
        return False
    directory_entries.put_members(tx, org=lease.org, grp=entry.entity, dns=names, run=run)
    return True


@command
def enter_members(tx: Tx, *, lease: Lease, lease_ms: int, run: int, guid: str, after: str) -> str:
    """Make members of up to `MEMBERS` names that were noted; where to go on, "" at the end.

    The first slice forgets the names that the run did not meet. Raises what `begin_sync` raises.
    """
    begin_sync(tx, lease, lease_ms)
    entry = directory_entries.get_entry(tx, org=lease.org, guid=guid)
    if entry is None:
        return ""
    if not after:
        directory_entries.delete_unmet_members(tx, org=lease.org, grp=entry.entity, run=run)
    page = directory_entries.page_members(
        tx, org=lease.org, grp=entry.entity, after=after, limit=MEMBERS
    )
    changed = [_enter(tx, lease.org, entry.entity, member) for _, member in page if member]
    if any(changed):
        change_policy(tx, lease.org)
    return page[-1][0] if len(page) == MEMBERS else ""


@command
def leave_members(tx: Tx, *, lease: Lease, lease_ms: int, guid: str, after: str) -> str:
    """Look at up to `MEMBERS` members and drop those that the directory does not name.

    Returns where to go on, "" at the end. Raises what `begin_sync` raises.
    """
    begin_sync(tx, lease, lease_ms)
    org = lease.org
    entry = directory_entries.get_entry(tx, org=org, guid=guid)
    if entry is None:
        return ""
    page = members.list_members(tx, org=org, grp=entry.entity, after=after, limit=MEMBERS)
    changed = False
    for member in page:
        if not directory_entries.names_member(tx, org=org, grp=entry.entity, entity=member.id):
            changed |= members.delete_member(tx, org=org, grp=entry.entity, member=member.id)
    if changed:
        change_policy(tx, org)
    return page[-1].id if len(page) == MEMBERS else ""

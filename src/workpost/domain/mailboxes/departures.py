"""Entries that are gone from a directory outside: their users and groups go as if deleted.

Registered ones are deregistered first: a mailbox is kept for 30 days, and attached again when the
same entry comes back within them and is registered.
"""

from __future__ import annotations

from workpost.domain.directory.burial import bury
from workpost.domain.directory.sync_runs import begin_sync
from workpost.domain.mailboxes.registration import end_registration
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import directory_entries, entities, organizations
from workpost.store.tables.entities import DELETED, ENABLED, USER
from workpost.store.tables.jobs import Lease

SLICE = 20


@quick
def count_unmet(tx: Reader, *, org: str, run: int) -> dict[str, tuple[int, int]]:
    """By kind, how many entries are known, and how many of them the run has not met."""
    return directory_entries.count_entries(tx, org=org, before=run)


@command
def remove_unmet(tx: Tx, *, lease: Lease, lease_ms: int, run: int) -> int:
    """Delete up to `SLICE` users and groups whose entries the run has not met; returns how many.

    Raises Conflict when the lease is lost, OrganizationNotFound.
    """
    version = begin_sync(tx, lease, lease_ms)
    org = lease.org
    gone = directory_entries.list_unmet(tx, org=org, before=run, limit=SLICE)
    for entry in gone:
        row = entities.get_entity(tx, org=org, entity=entry.entity)
        if row is not None and row.state != DELETED:
            if row.state == ENABLED:
                end_registration(tx, row, version)
            bury(tx, row, version)
            if row.kind == USER:
                organizations.change_users(tx, organization=org, by=-1, limit=0)
        directory_entries.delete_members(tx, org=org, grp=entry.entity)
        directory_entries.delete_problem(tx, org=org, guid=entry.guid)
        directory_entries.delete_entry(tx, org=org, guid=entry.guid)
    return len(gone)

"""The end of a mailbox: its keys first, then its rows, slice by slice.

`begin_purge` decides under the organization's lock and is final: from then on a registration of
the owner makes a new mailbox. The caller shreds the keys and then calls `purge_slice` until nothing
is left; contents go with the sweeper. Each step can be repeated.
"""

from __future__ import annotations

from workpost.domain.organizations.state import begin
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Tx, command
from workpost.store.tables import entities, erasing, jobs, mailboxes
from workpost.store.tables.jobs import Lease

PURGE = "mailbox.purge"
"""Kind of the job; its dedupe is `purge/<mailbox>`."""
SLICE = 250
SCHEDULED = 500


@command
def schedule_purges(tx: Tx) -> int:
    """Make a job for each mailbox whose 30 days are over; returns how many are due."""
    now = tx.env.now()
    due = mailboxes.due_purges(tx, now=now, limit=SCHEDULED)
    for mailbox, org in due:
        jobs.insert_job(
            tx, id=tx.env.new_id(), org=org, kind=PURGE, dedupe=f"purge/{mailbox}", due=now
        )
    return len(due)


@command
def begin_purge(tx: Tx, *, grant: Grant, lease: Lease, mailbox: int) -> bool:
    """Give a mailbox up for good; False when it is gone or was attached again meanwhile.

    Raises Conflict when the lease is lost, OrganizationStateInvalid: the deletion of an
    organization takes its mailboxes with it.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    begin(tx, grant)
    row = mailboxes.lock_mailbox(tx, mailbox=mailbox)
    if row is None or row.org != grant.organization:
        return False
    if row.state == mailboxes.PURGING:
        return True
    due = row.purge_at is not None and row.purge_at <= tx.env.now()
    if row.state != mailboxes.DISABLED or not due:
        return False
    mailboxes.set_mailbox_state(tx, mailbox=mailbox, state=mailboxes.PURGING, purge_at=row.purge_at)
    entities.detach_mailbox(tx, org=row.org, entity=row.owner, mailbox=mailbox)
    return True


@command
def purge_slice(tx: Tx, *, lease: Lease, lease_ms: int, mailbox: int) -> bool:
    """Remove a slice of what a mailbox holds, its row last; True when it is gone.

    Raises Conflict when the lease is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    row = mailboxes.lock_mailbox(tx, mailbox=mailbox)
    if row is None or row.org != lease.org:
        return True
    if row.state != mailboxes.PURGING:
        # Of an organization that goes as a whole: nothing is delivered from here on.
        mailboxes.set_mailbox_state(
            tx, mailbox=mailbox, state=mailboxes.PURGING, purge_at=row.purge_at
        )
    removed = erasing.delete_items(tx, mailbox=mailbox, limit=SLICE)
    for table in erasing.OF_MAILBOX:
        if removed < SLICE:
            removed += erasing.delete_of_mailbox(
                tx, table=table, mailbox=mailbox, limit=SLICE - removed
            )
    if removed < SLICE:
        erasing.delete_mailbox(tx, mailbox=mailbox)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
    return removed < SLICE

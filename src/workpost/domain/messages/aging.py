"""Messages that a retention policy takes away: finding them, and one slice of taking.

The age of a message counts from the last of received, saved (moved, copied) and changed
(decisions 12). Uids of a folder rise with the time at which messages were put there, so the old
ones come first: looking ends with the first page on which everything was saved lately, and costs
next to nothing where nothing is old. A clock that was ahead for more than a page of messages makes
what follows them stay longer, never shorter.

Whoever looks holds no lock. The slice looks again at the policy, the folder and every message, in
its own transaction: what was changed, moved or spared meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from workpost.domain.messages.changes import move_rows, remove_rows
from workpost.domain.messages.keeping import Keep
from workpost.domain.organizations.policy import check_grant
from workpost.domain.organizations.retention import DELETE, FOLDERS, FolderRule, rules_in_force
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import folders, items, jobs, mailboxes
from workpost.store.tables.folders import TRASH
from workpost.store.tables.items import MESSAGE
from workpost.store.tables.jobs import Lease

DAY_MS = 24 * 60 * 60 * 1000
SLICE = 100
"""Messages looked at by one query and folder, and taken by one command."""
NAMES = tuple(FOLDERS)

Place = tuple[int, int]
"""Number of a folder in FOLDERS, and the last uid that was looked at there."""
START: Place = (0, 0)


class Run(msgspec.Struct, frozen=True, array_like=True):
    """How far a run is, and what it did; the cursor of its job."""

    started: int
    mailbox: int = 0
    """The last mailbox that is done."""
    at: Place = START
    """Where it is in the one after it."""
    mailboxes: int = 0
    moved: int = 0
    deleted: int = 0


class Look(msgspec.Struct, frozen=True):
    """What is old in one folder, and where to look next; `at` None: the mailbox is done."""

    at: Place | None
    folder: str = ""
    uids: list[int] = []
    stopped: bool = False
    """There is no policy in force any more."""


def cutoff(rule: FolderRule, now: int) -> int:
    """What is younger than this, in ms, stays."""
    return now - (rule.days or 0) * DAY_MS


def is_old(kind: int, times: Iterable[int], before: int) -> bool:
    """True for a message that was received, saved and changed (`times`) before, or then."""
    return kind == MESSAGE and max(times) <= before


def look(tx: Reader, *, grant: Grant, at: Place) -> Look:
    """Look for old messages of a mailbox from a place on: at most a page in each folder."""
    check_grant(tx, grant, Right.READ)
    rules = rules_in_force(tx, grant.organization)
    if rules is None:
        return Look(None, stopped=True)
    mailbox = grant.mailbox
    row = mailboxes.get_mailbox(tx, mailbox=mailbox)
    if row is None or row.org != grant.organization:
        return Look(None)
    number, after = at
    while number < len(NAMES):
        rule = rules.get(NAMES[number])
        folder = folders.id_of_role(tx, mailbox=mailbox, role=FOLDERS[NAMES[number]])
        if rule is not None and folder is not None:
            rows = items.page_ages(tx, mailbox=mailbox, folder=folder, after=after, limit=SLICE)
            before = cutoff(rule, tx.env.now())
            more = len(rows) == SLICE and any(row[3] <= before for row in rows)
            old = [uid for uid, kind, *times in rows if is_old(kind, times, before)]
            if old or more:
                following = (number, rows[-1][0]) if more else (number + 1, 0)
                return Look(following, NAMES[number], old)
        number, after = number + 1, 0
    return Look(None)


@command
def take_slice(
    tx: Tx,
    *,
    grant: Grant,
    lease: Lease,
    lease_ms: int,
    run: Run,
    folder: str,
    uids: list[int],
    recoverable_days: int,
) -> Run:
    """Take those of a folder's messages that are still old, and note how far the run is.

    DELETE moves them to Deleted Items, and there is what it is for people: they stay recoverable
    for `recoverable_days` or what the organization says. PERMANENTLY_DELETE destroys. Raises
    Conflict when the lease is lost, FolderNotFound as `changes.remove` does.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    check_grant(tx, grant, Right.WRITE)
    keep = Keep(grant.organization, recoverable_days)
    taken = _take(tx, keep, grant.mailbox, folder, uids)
    run = msgspec.structs.replace(run, moved=run.moved + taken[0], deleted=run.deleted + taken[1])
    save(tx, lease, lease_ms, run)
    return run


def _take(tx: Tx, keep: Keep, mailbox: int, name: str, uids: list[int]) -> tuple[int, int]:
    """How many messages were moved, and how many deleted."""
    org = keep.organization
    rule = (rules_in_force(tx, org) or {}).get(name)
    row = mailboxes.lock_mailbox(tx, mailbox=mailbox)
    if rule is None or row is None or row.org != org or row.state != mailboxes.ACTIVE:
        return 0, 0
    folder = folders.id_of_role(tx, mailbox=mailbox, role=FOLDERS[name])
    trash = folders.id_of_role(tx, mailbox=mailbox, role=TRASH)
    if folder is None or trash is None:
        return 0, 0
    before = cutoff(rule, tx.env.now())
    rows = [
        each
        for each in items.items_by_uid(tx, mailbox=mailbox, folder=folder, uids=uids)
        if is_old(each.kind, (each.received, each.saved, each.changed), before)
    ]
    if not rows:
        return 0, 0
    if rule.action == DELETE and folder != trash:
        move_rows(tx, mailbox=mailbox, folder=folder, rows=rows, target=trash)
        return len(rows), 0
    final = rule.action != DELETE
    remove_rows(tx, mailbox=mailbox, folder=folder, rows=rows, keep=None if final else keep)
    return 0, len(rows)


def save(tx: Tx, lease: Lease, lease_ms: int, run: Run) -> None:
    """Note how far a run is. Raises Conflict when the lease is lost."""
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=msgspec.msgpack.encode(run),
        progress=run.moved + run.deleted,
        lease_ms=lease_ms,
    )

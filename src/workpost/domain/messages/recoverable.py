"""Queries and commands on recoverable items: what was deleted from Deleted Items (`keeping`).

A mailbox keeps them in a hidden folder; its uids are their numbers here. Each command is a slice of
at most `changes.SLICE`; see `recovering.py` for what protocols call.
"""

from __future__ import annotations

import msgspec

from workpost.domain.mailboxes.provision import NewFolder
from workpost.domain.messages import flags as bits
from workpost.domain.messages.changes import lock
from workpost.domain.messages.keeping import SWEEP_MS
from workpost.domain.messages.placement import relocate, take_counter
from workpost.domain.organizations.policy import check_grant
from workpost.domain.organizations.recoverable import longest
from workpost.kernel.errors import MailboxNotFound
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader, Row, Tx, command
from workpost.store.tables import contents, folders, items, jobs, mailboxes, recoverable
from workpost.store.tables.folders import INBOX, TRASH, FolderRow
from workpost.store.tables.items import ItemRow
from workpost.store.tables.jobs import Lease


class Restored(msgspec.Struct, frozen=True, array_like=True):
    """Where an item came to lie: its number among recoverable items, folder id and uid."""

    number: int
    folder: int
    uid: int


class Swept(msgspec.Struct, frozen=True, array_like=True):
    """One slice of a sweep: how many items were destroyed, is the mailbox done."""

    destroyed: int
    done: bool


@command
def make_folder(tx: Tx, *, grant: Grant, new: NewFolder) -> None:
    """Make the folder for a mailbox's recoverable items, unless it is there."""
    lock(tx, grant)
    modseq = take_counter(tx, grant.mailbox, grow=0, count=0)
    recoverable.insert_folder(
        tx,
        mailbox=grant.mailbox,
        folder=new.id,
        name_tag=new.name_tag,
        sealed=new.sealed,
        gen=new.gen,
        modseq=modseq,
    )


def list_page(tx: Reader, *, grant: Grant, below: int, limit: int) -> list[Row]:
    """Rows as `store.tables.recoverable.page_newest` has them, of numbers below one."""
    place = _readable(tx, grant)
    if place is None:
        return []
    return recoverable.page_newest(
        tx, mailbox=grant.mailbox, folder=place, below=below, limit=limit
    )


def list_numbers(tx: Reader, *, grant: Grant, after: int, limit: int) -> list[int]:
    """Numbers of a mailbox's recoverable items above one, ascending."""
    place = _readable(tx, grant)
    if place is None:
        return []
    rows = recoverable.page_deleted(
        tx, mailbox=grant.mailbox, folder=place, after=after, limit=limit
    )
    return [row[0] for row in rows]


def items_of(tx: Reader, *, grant: Grant, numbers: list[int]) -> list[tuple[int, int]]:
    """(number, item) of those recoverable items that are there."""
    place = _readable(tx, grant)
    if place is None:
        return []
    rows = items.items_by_uid(tx, mailbox=grant.mailbox, folder=place, uids=numbers)
    return [(row.uid, row.id) for row in rows]


def left_page(
    tx: Reader, *, grant: Grant, before: tuple[int, int, int], limit: int
) -> list[tuple[int, int, int, int]]:
    """(modseq, folder, uid, item) of the places that items left, the last one first."""
    check_grant(tx, grant, Right.READ)
    rows = recoverable.page_left(tx, mailbox=grant.mailbox, before=before, limit=limit)
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def homes(tx: Reader, *, grant: Grant) -> list[int]:
    """The folders that items can come back to: all but Deleted Items and what lies under it."""
    check_grant(tx, grant, Right.READ)
    rows = {row.id: row for row in folders.list_rows(tx, mailbox=grant.mailbox)}
    found = []
    for row in rows.values():
        above: FolderRow | None = row
        while above is not None and above.role != TRASH:
            above = rows.get(above.parent)
        if above is None:
            found.append(row.id)
    return found


def _readable(tx: Reader, grant: Grant) -> int | None:
    check_grant(tx, grant, Right.READ)
    row = mailboxes.get_mailbox(tx, mailbox=grant.mailbox)
    if row is None or row.org != grant.organization or row.state == mailboxes.PURGING:
        raise MailboxNotFound("The mailbox is not available.")
    place = recoverable.get_folder(tx, mailbox=grant.mailbox)
    return place.id if place is not None else None


@command
def restore(tx: Tx, *, grant: Grant, targets: list[tuple[int, int]], exact: bool) -> list[Restored]:
    """Put items (number, folder) back where they were, without \\Deleted.

    A folder that is not there any more is the INBOX, unless the person said where (`exact`). What
    is gone is left out. Raises QuotaExceeded, FolderNotFound; nothing is restored then.
    """
    lock(tx, grant)
    mailbox = grant.mailbox
    place, rows = _rows(tx, mailbox, [number for number, _ in targets])
    if not rows:
        return []
    wanted = dict(targets)
    inbox = folders.id_of_role(tx, mailbox=mailbox, role=INBOX) or 0
    groups: dict[int, list[ItemRow]] = {}
    for row in rows:
        target = wanted[row.uid]
        if not exact and folders.get_folder(tx, mailbox=mailbox, folder=target) is None:
            target = inbox
        groups.setdefault(target, []).append(row)
    restored: list[Restored] = []
    for target, group in groups.items():
        size = sum(row.size for row in group)
        modseq = take_counter(tx, mailbox, grow=size, count=len(group))
        pairs, _ = relocate(tx, group, mailbox=mailbox, folder=place, target=target, modseq=modseq)
        recoverable.clear_flags(tx, group, bits=bits.DELETED)
        _shrink(tx, mailbox, place, group, modseq)
        restored += [Restored(number, target, uid) for number, uid in pairs]
    return restored


@command
def purge(tx: Tx, *, grant: Grant, numbers: list[int]) -> list[int]:
    """Destroy recoverable items; returns the numbers of those that were there."""
    lock(tx, grant)
    place, rows = _rows(tx, grant.mailbox, numbers)
    _destroy(tx, grant.mailbox, place, rows)
    return [row.uid for row in rows]


@command
def sweep(
    tx: Tx, *, grant: Grant, lease: Lease, lease_ms: int, default_days: int, limit: int
) -> Swept:
    """Destroy a slice of what a mailbox has kept long enough; what is youngest ends it.

    Raises Conflict when the lease is lost, MailboxNotFound.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
    lock(tx, grant)
    place = recoverable.get_folder(tx, mailbox=grant.mailbox)
    if place is None:
        return Swept(0, done=True)
    before = tx.env.now() - longest(tx, grant.organization, default_days)
    page = recoverable.page_deleted(
        tx, mailbox=grant.mailbox, folder=place.id, after=0, limit=limit
    )
    old = [uid for uid, deleted in page if deleted <= before]
    _, rows = _rows(tx, grant.mailbox, old)
    _destroy(tx, grant.mailbox, place.id, rows)
    return Swept(len(rows), done=len(rows) < limit)


@command
def end_turn(tx: Tx, *, lease: Lease, lease_ms: int, after: int, more: bool) -> None:
    """Put the job back behind mailbox `after`: with `more` to do at once, else in an hour.

    It stays with its organization, for whoever deletes something meanwhile relies on it. Raises
    Conflict when the lease is lost.
    """
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=msgspec.msgpack.encode(after),
        progress=lease.progress,
        lease_ms=lease_ms,
    )
    due = tx.env.now() + (0 if more else SWEEP_MS)
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=due)


def _rows(tx: Reader, mailbox: int, numbers: list[int]) -> tuple[int, list[ItemRow]]:
    place = recoverable.get_folder(tx, mailbox=mailbox)
    if place is None:
        return 0, []
    wanted = sorted(set(numbers))
    return place.id, items.items_by_uid(tx, mailbox=mailbox, folder=place.id, uids=wanted)


def _destroy(tx: Tx, mailbox: int, place: int, rows: list[ItemRow]) -> None:
    if not rows:
        return
    modseq = take_counter(tx, mailbox, grow=0, count=0)
    items.delete_items(tx, rows)
    contents.release_contents(tx, sorted({row.content for row in rows}))
    _shrink(tx, mailbox, place, rows, modseq)


def _shrink(tx: Tx, mailbox: int, place: int, rows: list[ItemRow], modseq: int) -> None:
    folders.shrink_folder(
        tx,
        mailbox=mailbox,
        folder=place,
        total=len(rows),
        unread=bits.count_unread(row.flags for row in rows),
        shrink=sum(row.size for row in rows),
        modseq=modseq,
    )

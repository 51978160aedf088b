"""What is deleted from Deleted Items is kept for a time: the one way in, for `changes.remove_rows`.

Folders under Deleted Items count as it does, and so does what goes with one that is deleted there.
Deleting elsewhere is final, as people know it: clients that copy to Deleted Items and then expunge
would otherwise keep everything twice. What is kept counts in no quota, or a full mailbox could not
be emptied; it has a room of its own of the same size, and what finds no room there is destroyed.
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages import flags as bits
from workpost.domain.organizations.recoverable import SWEEP, days_in_force, sweep_of
from workpost.kernel.errors import FolderNotFound
from workpost.store.database.unit import Tx
from workpost.store.tables import folders, items, jobs, mailboxes, recoverable
from workpost.store.tables.folders import DELETING_KEPT, TRASH, Rank
from workpost.store.tables.items import ItemRow

SWEEP_MS = 3_600_000
"""From one sweep of an organization to its next one."""


class Keep(msgspec.Struct, frozen=True, array_like=True):
    """Whose setting says for how long, and how long without one, in days."""

    organization: str
    default_days: int


def is_thrown_away(tx: Tx, mailbox: int, rank: Rank | None) -> bool:
    """True for Deleted Items and what lies under it; looks further for nested folders only."""
    if rank is None:
        return False
    if rank.role == TRASH or rank.hidden == DELETING_KEPT:
        return True
    return folders.lies_in(tx, mailbox=mailbox, folder=rank.parent, role=TRASH)


def keep_rows(
    tx: Tx, *, keep: Keep, mailbox: int, folder: int, rows: list[ItemRow], modseq: int
) -> list[ItemRow]:
    """Keep items of a locked mailbox that leave its Deleted Items; returns those to be destroyed.

    Raises FolderNotFound where the mailbox has no folder for them yet (`recoverable.make_folder`).
    """
    if not days_in_force(tx, keep.organization, keep.default_days):
        return rows
    place = recoverable.get_folder(tx, mailbox=mailbox)
    row = mailboxes.get_mailbox(tx, mailbox=mailbox)
    if place is None or row is None:
        raise FolderNotFound("The mailbox has no folder for recoverable items yet.")
    kept: list[ItemRow] = []
    room = row.quota - place.bytes
    for each in rows:
        if each.size <= room:
            room -= each.size
            kept.append(each)
    if kept:
        _place(tx, mailbox, (folder, place.id), kept, modseq)
        _begin_sweeping(tx, keep.organization)
    ids = {each.id for each in kept}
    return [each for each in rows if each.id not in ids]


def _place(tx: Tx, mailbox: int, way: tuple[int, int], rows: list[ItemRow], modseq: int) -> None:
    folder, target = way
    first = recoverable.take_uids(
        tx,
        mailbox=mailbox,
        folder=target,
        count=len(rows),
        unread=bits.count_unread(row.flags for row in rows),
        grow=sum(row.size for row in rows),
        modseq=modseq,
    )
    items.replace_place(
        tx,
        mailbox=mailbox,
        folder=folder,
        target=target,
        saved=tx.env.now(),
        modseq=modseq,
        pairs=[(row.uid, first + position) for position, row in enumerate(rows)],
    )


def _begin_sweeping(tx: Tx, org: str) -> None:
    due = tx.env.now() + SWEEP_MS
    jobs.insert_job(tx, id=tx.env.new_id(), org=org, kind=SWEEP, dedupe=sweep_of(org), due=due)

"""The hidden folder of a mailbox with what was deleted from Deleted Items, and its items.

It is a row of `folder` with the role `recoverable` and `hidden` 3: its items keep everything, so
that contents, rotation, backup and the end of a mailbox know them as they know all others. Their
`saved` is when they were deleted, and their uids rise with it. The mailbox's own sums leave them
out. Nothing is told of what leaves this folder: nobody synchronizes it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, quick
from workpost.store.tables.items import ItemRow

ROLE = "recoverable"
HIDDEN = 3
NOWHERE = -1
"""Its parent: no folder, and not the root either."""


class KeptFolder(msgspec.Struct, frozen=True):
    """Id and sums of the folder."""

    id: int
    total: int
    bytes: int


def insert_folder(
    tx: Tx, *, mailbox: int, folder: int, name_tag: bytes, sealed: bytes, gen: int, modseq: int
) -> None:
    """Insert the folder unless the mailbox has one."""
    tx.run(
        "INSERT INTO folder (mailbox, id, parent, name_tag, sealed, gen, class, role, hidden,"
        " uidvalidity, uidnext, first_recent, total, unread, bytes, created_modseq, modseq)"
        " VALUES (?, ?, ?, ?, ?, ?, 'IPF.Note', ?, ?, ?, 1, 1, 0, 0, 0, ?, ?)"
        " ON CONFLICT DO NOTHING",
        mailbox,
        folder,
        NOWHERE,
        name_tag,
        sealed,
        gen,
        ROLE,
        HIDDEN,
        modseq,
        modseq,
        modseq,
    )


@quick
def get_folder(tx: Reader, *, mailbox: int) -> KeptFolder | None:
    """The folder, None before it is needed the first time."""
    row = tx.row(
        "SELECT id, total, bytes FROM folder WHERE mailbox = ? AND role = ?", mailbox, ROLE
    )
    return KeptFolder(*row) if row is not None else None


def take_uids(
    tx: Tx, *, mailbox: int, folder: int, count: int, unread: int, grow: int, modseq: int
) -> int:
    """Take `count` uids of the folder and raise its sums; returns the first uid."""
    row = tx.row(
        "UPDATE folder SET uidnext = uidnext + ?, total = total + ?, unread = unread + ?,"
        " bytes = bytes + ?, modseq = ? WHERE mailbox = ? AND id = ? RETURNING uidnext",
        count,
        count,
        unread,
        grow,
        modseq,
        mailbox,
        folder,
    )
    assert row is not None
    return int(row[0]) - count


def page_newest(tx: Reader, *, mailbox: int, folder: int, below: int, limit: int) -> list[Row]:
    """Rows (uid, id, size, received, saved, flags, sealed summary, its generation, wrapped key)
    of uids below one, the one deleted last first."""
    return tx.rows(
        "SELECT i.uid, i.id, i.size, i.received, i.saved, i.flags, s.sealed, s.gen,"
        " s.wrapped_content_key FROM item i"
        " JOIN summary s ON s.mailbox = i.mailbox AND s.item = i.id"
        " WHERE i.mailbox = ? AND i.folder = ? AND i.uid < ? ORDER BY i.uid DESC LIMIT ?",
        mailbox,
        folder,
        below,
        limit,
    )


def page_deleted(tx: Reader, *, mailbox: int, folder: int, after: int, limit: int) -> list[Row]:
    """Rows (uid, when it was deleted) of uids above one, ascending."""
    return tx.rows(
        "SELECT uid, saved FROM item WHERE mailbox = ? AND folder = ? AND uid > ?"
        " ORDER BY uid LIMIT ?",
        mailbox,
        folder,
        after,
        limit,
    )


def page_mailboxes(tx: Reader, *, org: str, after: int, limit: int) -> list[int]:
    """Ids of an organization's active mailboxes above one that keep something, ascending."""
    rows = tx.rows(
        "SELECT m.id FROM mailbox m JOIN folder f ON f.mailbox = m.id AND f.role = ?"
        " WHERE m.org = ? AND m.id > ? AND m.state = 'ACTIVE' AND f.total > 0"
        " ORDER BY m.id LIMIT ?",
        ROLE,
        org,
        after,
        limit,
    )
    return [int(row[0]) for row in rows]


def page_left(tx: Reader, *, mailbox: int, before: tuple[int, int, int], limit: int) -> list[Row]:
    """Rows (modseq, folder, uid, item) of tombstones before a place, the youngest first."""
    return tx.rows(
        "SELECT modseq, folder, uid, item FROM gone WHERE mailbox = ?"
        " AND (modseq, folder, uid) < (?, ?, ?) ORDER BY modseq DESC, folder DESC, uid DESC"
        " LIMIT ?",
        mailbox,
        *before,
        limit,
    )


def clear_flags(tx: Tx, rows: Sequence[ItemRow], *, bits: int) -> None:
    """Take flags from items, wherever they lie."""
    tx.many(
        "UPDATE item SET flags = ? WHERE mailbox = ? AND id = ?",
        [(row.flags & ~bits, row.mailbox, row.id) for row in rows if row.flags & bits],
    )

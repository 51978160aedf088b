"""Rows of `gone`: tombstones of what has left folders, for clients that ask what has changed."""

from __future__ import annotations

from collections.abc import Sequence

from workpost.store.database.unit import Reader, Row, Tx
from workpost.store.tables.items import ItemRow


def page_uids(
    tx: Reader, *, mailbox: int, folder: int, modseq: int, uid: int, limit: int
) -> list[Row]:
    """Rows (modseq, uid) of what left the folder after (modseq, uid), in that order."""
    return tx.rows(
        "SELECT modseq, uid FROM gone WHERE mailbox = ? AND folder = ?"
        " AND (modseq, uid) > (?, ?) ORDER BY modseq, uid LIMIT ?",
        mailbox,
        folder,
        modseq,
        uid,
        limit,
    )


def insert(tx: Tx, rows: Sequence[ItemRow], *, modseq: int, at: int) -> None:
    """Leave a tombstone for each place that was left (RFC 7162 3.2.7)."""
    tx.many(
        "INSERT INTO gone (mailbox, modseq, folder, uid, item, kind, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(row.mailbox, modseq, row.folder, row.uid, row.id, row.kind, at) for row in rows],
    )


def oldest(tx: Reader, *, mailbox: int, limit: int) -> list[Row]:
    """Rows (modseq, folder, uid, at) of the oldest tombstones of a mailbox."""
    return tx.rows(
        "SELECT modseq, folder, uid, at FROM gone WHERE mailbox = ?"
        " ORDER BY modseq, folder, uid LIMIT ?",
        mailbox,
        limit,
    )


def delete(tx: Tx, *, mailbox: int, places: Sequence[tuple[int, int, int]]) -> None:
    """Delete tombstones by (modseq, folder, uid)."""
    tx.many(
        "DELETE FROM gone WHERE mailbox = ? AND modseq = ? AND folder = ? AND uid = ?",
        [(mailbox, *place) for place in places],
    )

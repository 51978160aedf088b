"""Rows of `content`, `content_bytes` and `content_garbage`.

A content is written once and never changes. No reference is counted: whoever removes a reference
leaves a candidate (`release_content`), and the sweeper deletes the content a day later if nothing
refers to it. `delete_unreferenced` decides in one statement, and leaves alone what has a later
candidate: so a copy that races with the removal it copies from is visible before anybody looks
(docs/decisions/0011-sweeping.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from workpost.store.content.types import Placed
from workpost.store.database.unit import Reader, Row, Tx, quick

GRACE_MS = 24 * 3600 * 1000
"""How long a released content is kept: longer than any transaction or backup takes."""

IN_LIST = 50


def insert_content(tx: Tx, placed: Placed) -> None:
    """Insert a content in the transaction that refers to it."""
    tx.run(
        "INSERT INTO content (id, size, place) VALUES (?, ?, ?)",
        placed.id,
        placed.size,
        placed.place,
    )
    if placed.sealed is not None:
        tx.run("INSERT INTO content_bytes (id, sealed) VALUES (?, ?)", placed.id, placed.sealed)


def release_content(tx: Tx, content_id: bytes) -> None:
    """Note, in the transaction that removes a reference, that a content may be garbage."""
    release_contents(tx, [content_id])


def release_contents(tx: Tx, content_ids: Sequence[bytes]) -> None:
    """Like `release_content`, for many."""
    due = tx.env.now() + GRACE_MS
    tx.many(
        "INSERT INTO content_garbage (due, id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(due, content_id) for content_id in content_ids],
    )


@quick
def get_content(tx: Reader, *, content_id: bytes) -> Row | None:
    """(size, place, sealed bytes or None)."""
    return tx.row(
        "SELECT c.size, c.place, b.sealed FROM content c LEFT JOIN content_bytes b ON b.id = c.id"
        " WHERE c.id = ?",
        content_id,
    )


def get_contents(tx: Reader, *, content_ids: Sequence[bytes]) -> dict[bytes, Row]:
    """(size, place, sealed bytes or None) by id; ids that are not there are left out."""
    found: dict[bytes, Row] = {}
    for start in range(0, len(content_ids), IN_LIST):
        some = content_ids[start : start + IN_LIST]
        rows = tx.rows(
            "SELECT c.id, c.size, c.place, b.sealed FROM content c"
            f" LEFT JOIN content_bytes b ON b.id = c.id WHERE c.id IN ({_marks(some)})",
            *some,
        )
        found.update((bytes(row[0]), row[1:]) for row in rows)
    return found


def known_contents(tx: Reader, *, content_ids: Sequence[bytes]) -> set[bytes]:
    """Those of the ids that have a content row."""
    found: set[bytes] = set()
    for start in range(0, len(content_ids), IN_LIST):
        some = content_ids[start : start + IN_LIST]
        rows = tx.rows(f"SELECT id FROM content WHERE id IN ({_marks(some)})", *some)
        found.update(bytes(row[0]) for row in rows)
    return found


def due_garbage(tx: Reader, *, now: int, limit: int) -> list[bytes]:
    """Ids of the candidates that are due, the oldest first."""
    rows = tx.rows(
        "SELECT id FROM content_garbage WHERE due <= ? ORDER BY due, id LIMIT ?", now, limit
    )
    return [bytes(row[0]) for row in rows]


def delete_unreferenced(tx: Tx, *, content_ids: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """Delete those of the ids that nothing refers to; returns their (id, place).

    Their due candidates go in any case. Files and objects are deleted by the caller afterwards: a
    crash in between leaves an orphan, never a row without its bytes.
    """
    now = tx.env.now()
    gone = []
    for content_id in content_ids:
        row = tx.row(
            "DELETE FROM content WHERE id = ?"
            " AND NOT EXISTS (SELECT 1 FROM item WHERE content = ?)"
            " AND NOT EXISTS (SELECT 1 FROM queue WHERE content = ?)"
            " AND NOT EXISTS (SELECT 1 FROM in_transit WHERE content = ?)"
            " AND NOT EXISTS (SELECT 1 FROM content_garbage WHERE id = ? AND due > ?)"
            " RETURNING place",
            content_id,
            content_id,
            content_id,
            content_id,
            content_id,
            now,
        )
        if row is not None:
            gone.append((content_id, int(row[0])))
    tx.many("DELETE FROM content_bytes WHERE id = ?", [(content_id,) for content_id, _ in gone])
    tx.many(
        "DELETE FROM content_garbage WHERE id = ? AND due <= ?",
        [(content_id, now) for content_id in content_ids],
    )
    return gone


def _marks(values: Sequence[bytes]) -> str:
    return ", ".join("?" * len(values))

"""Rows of `service_log`: lines of audit logs that are not in their log group yet, sealed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from workpost.store.database.unit import Reader, Tx


class LogChunk(msgspec.Struct, frozen=True, array_like=True):
    """Lines of one kind and one organization, sealed under the organization's key.

    `at` is the time of the first line.
    """

    org: str
    at: int
    id: int
    kind: str
    lines: int
    gen: int
    sealed: bytes


def insert_chunks(tx: Tx, chunks: Sequence[LogChunk]) -> None:
    """Append chunks; one that is there already stays."""
    tx.many(
        "INSERT INTO service_log (org, at, id, kind, lines, gen, sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [msgspec.structs.astuple(chunk) for chunk in chunks],
    )


def page_chunks(tx: Reader, *, org: str, limit: int, but: Collection[str] = ()) -> list[LogChunk]:
    """The oldest chunks of an organization, some kinds left out."""
    marks = ", ".join("?" * len(but))
    others = f" AND kind NOT IN ({marks})" if but else ""
    rows = tx.rows(
        "SELECT org, at, id, kind, lines, gen, sealed FROM service_log"
        f" WHERE org = ?{others} ORDER BY at, id LIMIT ?",
        org,
        *but,
        limit,
    )
    return [LogChunk(*row) for row in rows]


def delete_chunks(tx: Tx, *, org: str, places: Sequence[tuple[int, int]]) -> None:
    """Delete chunks, by (at, id)."""
    tx.many(
        "DELETE FROM service_log WHERE org = ? AND at = ? AND id = ?",
        [(org, at, chunk) for at, chunk in places],
    )


def next_waiting(tx: Reader, *, after: str) -> str | None:
    """The next organization, by id, that has chunks."""
    row = tx.row("SELECT min(org) FROM service_log WHERE org > ?", after)
    return str(row[0]) if row is not None and row[0] is not None else None


def delete_old_chunks(tx: Tx, *, before: int, limit: int) -> int:
    """Delete up to `limit` chunks from before a time; returns how many there were."""
    return tx.run(
        "DELETE FROM service_log WHERE (org, at, id) IN"
        " (SELECT org, at, id FROM service_log WHERE at < ? LIMIT ?)",
        before,
        limit,
    )

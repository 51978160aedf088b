"""Rows of `job`: background work with a durable cursor, held by leases.

A lease ends by the database's clock, so that nodes with wrong clocks do not steal from each other.
Each lease has a fence, a number that only rises; every write of the holder names it, so a holder
that lost its lease (it slept, its node was cut off) changes nothing any more and raises Conflict.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.kernel.errors import Conflict
from workpost.store.database.unit import Reader, Tx

KIND = "job"
"""Kind of the hint that a job became due; its key is the job's kind."""


class Lease(msgspec.Struct, frozen=True):
    """A job that its holder may work on until `lease_until` (database clock)."""

    id: int
    org: str
    kind: str
    dedupe: str
    fence: int
    lease_until: int
    cursor: bytes | None
    progress: int


def database_now(tx: Reader) -> int:
    """The database's own clock, in milliseconds since the epoch."""
    if tx.engine == "postgresql":
        row = tx.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    else:
        row = tx.row("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)")
    assert row is not None
    return int(row[0])


def insert_job(
    tx: Tx, *, id: int, org: str, kind: str, dedupe: str, due: int, cursor: bytes | None = None
) -> bool:
    """Add a job unless one with this `dedupe` exists; tells whether it was added."""
    added = tx.run(
        "INSERT INTO job (id, org, kind, dedupe, state, due, lease_until, fence, cursor, progress)"
        " VALUES (?, ?, ?, ?, 'waiting', ?, 0, 0, ?, 0) ON CONFLICT DO NOTHING",
        id,
        org,
        kind,
        dedupe,
        due,
        cursor,
    )
    if added:
        tx.announce(KIND, kind, due)
    return bool(added)


def is_there(tx: Reader, *, dedupe: str) -> bool:
    """Whether a job with this `dedupe` exists, waiting or leased."""
    return tx.row("SELECT 1 FROM job WHERE dedupe = ?", dedupe) is not None


def hasten_job(tx: Tx, *, dedupe: str, due: int) -> None:
    """Let a waiting job that would be due later be due at `due`."""
    row = tx.row(
        "UPDATE job SET due = ? WHERE dedupe = ? AND state = 'waiting' AND due > ? RETURNING kind",
        due,
        dedupe,
        due,
    )
    if row is not None:
        tx.announce(KIND, str(row[0]), due)


def get_waiting_cursor(tx: Tx, *, dedupe: str) -> bytes | None:
    """How far a waiting job is, b"" at its beginning; None while somebody works on it."""
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    row = tx.row(f"SELECT cursor FROM job WHERE dedupe = ? AND state = 'waiting'{lock}", dedupe)
    return bytes(row[0] or b"") if row is not None else None


def set_waiting_cursor(tx: Tx, *, dedupe: str, cursor: bytes) -> None:
    """Let a waiting job go on from elsewhere."""
    tx.run("UPDATE job SET cursor = ? WHERE dedupe = ? AND state = 'waiting'", cursor, dedupe)


def lease_jobs(tx: Tx, *, kinds: Sequence[str], now: int, limit: int, lease_ms: int) -> list[Lease]:
    """Lease up to `limit` jobs that are due, or whose holder let its lease run out."""
    clock = database_now(tx)
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    marks = ", ".join("?" * len(kinds))
    found: list[Lease] = []
    for ready, when in (
        ("state = 'waiting' AND due", now),
        ("state = 'leased' AND lease_until", clock),
    ):
        order = ready.rsplit(" ", 1)[1]
        rows = tx.rows(
            # Materialized: PostgreSQL may run a plain subquery again and lease more than `limit`.
            f"WITH picked AS MATERIALIZED (SELECT id FROM job WHERE {ready} <= ?"
            f" AND kind IN ({marks}) ORDER BY {order} LIMIT ?{skip})"
            " UPDATE job SET state = 'leased', fence = fence + 1, lease_until = ?"
            " WHERE id IN (SELECT id FROM picked)"
            " RETURNING id, org, kind, dedupe, fence, lease_until, cursor, progress",
            when,
            *kinds,
            limit - len(found),
            clock + lease_ms,
        )
        found += [Lease(*row) for row in rows]
    return found


def save_job(
    tx: Tx, *, id: int, fence: int, cursor: bytes | None, progress: int, lease_ms: int
) -> None:
    """Note how far the work is and hold the lease longer. Raises Conflict when it is lost."""
    _held(
        tx.run(
            "UPDATE job SET cursor = ?, progress = ?, lease_until = ?"
            " WHERE id = ? AND fence = ? AND state = 'leased'",
            cursor,
            progress,
            database_now(tx) + lease_ms,
            id,
            fence,
        )
    )


def extend_lease(tx: Tx, *, id: int, fence: int, lease_ms: int) -> None:
    """Count one more slice of work and hold the lease longer. Raises Conflict when it is lost."""
    _held(
        tx.run(
            "UPDATE job SET progress = progress + 1, lease_until = ?"
            " WHERE id = ? AND fence = ? AND state = 'leased'",
            database_now(tx) + lease_ms,
            id,
            fence,
        )
    )


def check_lease(tx: Tx, *, id: int, fence: int) -> None:
    """First statement of a slice of work: raises Conflict when the lease is lost.

    Locks the row on PostgreSQL, so that nobody takes the job over before the slice is committed.
    """
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    row = tx.row(
        f"SELECT 1 FROM job WHERE id = ? AND fence = ? AND state = 'leased'{lock}", id, fence
    )
    _held(1 if row else 0)


def put_back_job(tx: Tx, *, id: int, fence: int, due: int) -> None:
    """Give a job back, to go on at `due`. Raises Conflict when the lease is lost."""
    _held(
        tx.run(
            "UPDATE job SET state = 'waiting', due = ?, lease_until = 0"
            " WHERE id = ? AND fence = ? AND state = 'leased'",
            due,
            id,
            fence,
        )
    )


def finish_job(tx: Tx, *, id: int, fence: int) -> None:
    """Remove a job that is done. Raises Conflict when the lease is lost."""
    _held(tx.run("DELETE FROM job WHERE id = ? AND fence = ? AND state = 'leased'", id, fence))


def cancel_job(tx: Tx, *, kind: str, dedupe: str) -> None:
    """Remove a job, leased or not; its holder finds its lease lost."""
    tx.run("DELETE FROM job WHERE kind = ? AND dedupe = ?", kind, dedupe)


def _held(rows: int) -> None:
    if not rows:
        raise Conflict("the lease of the job is lost")

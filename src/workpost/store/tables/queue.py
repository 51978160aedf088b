"""Rows of `queue` and `queue_rcpt`: mail that was accepted and is not delivered yet.

A row of `queue_rcpt` is one recipient elsewhere or a batch of those who live here. Its `state`:
`waiting` (due at `due`), `leased` (a runner works on it until
`lease_until`, fenced by `fence`), `held` (an operator or the demo keeps it). A row goes away in the
transaction that delivers or bounces its last recipient; an entry goes away with its last row.

Whoever locks more than one of them on PostgreSQL locks rows by number first, then their entry.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx
from workpost.store.tables.queue_turns import flow_of

WAITING = "waiting"
LEASED = "leased"
HELD = "held"
HINTS = "queue"
"""Kind of the hints that something waits."""
FUNCTIONS = "functions"
"""Their key where it waits for a function, else "": looking among all other rows for those of
functions takes long where many wait, and most mail meets none."""


class NewQueueEntry(msgspec.Struct, frozen=True):
    """A queue entry made before the transaction, sealed under the organization's key."""

    id: int
    org: str
    content: bytes
    wrapped_key: bytes
    gen: int
    sealed_envelope: bytes
    direction: str
    hold_until: int | None
    trace: str = ""
    sender: str = ""
    """Not stored; chooses the lane in which the recipients wait (`queue_turns.py`)."""


class NewQueueRecipient(msgspec.Struct, frozen=True):
    """One row of a queue entry: a recipient elsewhere, or a batch of those who live here.

    `route` is one of `queue_kinds`.
    """

    n: int
    route: str
    state: str
    due: int
    sealed: bytes


class LeasedEntry(msgspec.Struct, frozen=True):
    """What a runner gets: the entry and the recipients it leased."""

    id: int
    org: str
    content: bytes
    wrapped_key: bytes
    gen: int
    sealed_envelope: bytes
    direction: str
    created: int
    recipients: list[tuple[int, int, bytes]]
    """(n, attempts, sealed) of each leased recipient."""
    noticed: list[int] = []
    """Those whose sender was told that they are late."""
    since: int = 0
    """When it was accepted, or was to go where that is later: how late it is counts from here."""


def insert_entry(
    tx: Tx, entry: NewQueueEntry, recipients: Sequence[NewQueueRecipient], *, created: int
) -> None:
    """Insert an entry and its recipients."""
    tx.run(
        "INSERT INTO queue (id, org, content, wrapped_key, gen, sealed_envelope, direction,"
        " created, hold_until, trace) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        entry.id,
        entry.org,
        entry.content,
        entry.wrapped_key,
        entry.gen,
        entry.sealed_envelope,
        entry.direction,
        created,
        entry.hold_until,
        entry.trace,
    )
    flows = [flow_of(entry.org, entry.sender, each.n) for each in recipients]
    tx.many(
        "INSERT INTO queue_rcpt"
        " (queue, n, route, state, attempts, due, lease_until, fence, sealed, flow)"
        " VALUES (?, ?, ?, ?, 0, ?, 0, 0, ?, ?)",
        [
            (entry.id, r.n, r.route, r.state, r.due, r.sealed, flow)
            for r, flow in zip(recipients, flows, strict=True)
        ],
    )


def expired_entry(tx: Reader, *, route: str, now: int) -> int | None:
    """The entry of a recipient on a route whose lease ran out first."""
    row = tx.row(
        "SELECT queue FROM queue_rcpt WHERE state = 'leased' AND lease_until <= ?"
        " AND route = ? ORDER BY lease_until LIMIT 1",
        now,
        route,
    )
    return int(row[0]) if row is not None else None


def free_expired(tx: Tx, *, route: str, now: int, limit: int) -> None:
    """Let recipients on a route wait again whose holder let the lease run out."""
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT queue, n FROM queue_rcpt WHERE state = 'leased' AND lease_until <= ?"
        f" AND route = ? ORDER BY lease_until LIMIT ?{skip}",
        now,
        route,
        limit,
    )
    tx.many(
        "UPDATE queue_rcpt SET state = 'waiting', lease_until = 0 WHERE queue = ? AND n = ?",
        [(row[0], row[1]) for row in rows],
    )


def lease(
    tx: Tx, *, queue: int, route: str, now: int, lease_until: int, fence: int, limit: int
) -> LeasedEntry | None:
    """Lease up to `limit` due recipients of an entry; None when another runner was first."""
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT n, attempts, sealed, noticed FROM queue_rcpt WHERE queue = ? AND route = ?"
        " AND ((state = 'waiting' AND due <= ?) OR (state = 'leased' AND lease_until <= ?))"
        f" ORDER BY n LIMIT ?{skip}",
        queue,
        route,
        now,
        now,
        limit,
    )
    if not rows:
        return None
    return _leased(tx, queue=queue, rows=rows, lease_until=lease_until, fence=fence)


def lease_kept(
    tx: Tx, *, queue: int, numbers: Sequence[int], lease_until: int, fence: int
) -> LeasedEntry | None:
    """Lease these recipients of an entry, due or held, whoever does not hold them already."""
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    marks = ", ".join("?" * len(numbers))
    rows = tx.rows(
        "SELECT n, attempts, sealed, noticed FROM queue_rcpt WHERE queue = ?"
        f" AND n IN ({marks}) AND state <> 'leased' ORDER BY n{skip}",
        queue,
        *numbers,
    )
    if not rows:
        return None
    return _leased(tx, queue=queue, rows=rows, lease_until=lease_until, fence=fence)


def _leased(
    tx: Tx, *, queue: int, rows: Sequence[Row], lease_until: int, fence: int
) -> LeasedEntry | None:
    tx.many(
        "UPDATE queue_rcpt SET state = 'leased', lease_until = ?, fence = ?,"
        " attempts = attempts + 1 WHERE queue = ? AND n = ?",
        [(lease_until, fence, queue, row[0]) for row in rows],
    )
    entry = tx.row(
        "SELECT id, org, content, wrapped_key, gen, sealed_envelope, direction, created,"
        " COALESCE(hold_until, created) FROM queue WHERE id = ?",
        queue,
    )
    if entry is None:
        return None
    recipients = [(row[0], row[1], row[2]) for row in rows]
    noticed = [row[0] for row in rows if row[3]]
    since = max(entry[7], entry[8])
    return LeasedEntry(*(*entry[:8], recipients, noticed, since))


def renew(tx: Tx, *, queue: int, fence: int, lease_until: int) -> bool:
    """Hold leased rows longer; False when not one is this holder's any more."""
    return bool(
        tx.run(
            "UPDATE queue_rcpt SET lease_until = ?"
            " WHERE queue = ? AND state = 'leased' AND fence = ?",
            lease_until,
            queue,
            fence,
        )
    )


def still_leased(tx: Tx, *, queue: int, fence: int) -> set[int]:
    """The recipients of an entry that this holder's fence still covers."""
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT n FROM queue_rcpt WHERE queue = ? AND state = 'leased' AND fence = ?"
        f" ORDER BY n{lock}",
        queue,
        fence,
    )
    return {int(row[0]) for row in rows}


def finish(tx: Tx, *, queue: int, numbers: Sequence[int]) -> bytes | None:
    """Remove recipients that are done; returns the content id when the entry went with the last.

    On PostgreSQL the entry's lock comes first, after those of the rows: of two holders who finish
    their parts of it at the same moment each would still see the other's recipients, and nobody
    would remove the entry.
    """
    if tx.engine == "postgresql":
        tx.row("SELECT id FROM queue WHERE id = ? FOR UPDATE", queue)
    tx.many("DELETE FROM queue_rcpt WHERE queue = ? AND n = ?", [(queue, n) for n in numbers])
    row = tx.row(
        "DELETE FROM queue WHERE id = ? AND NOT EXISTS"
        " (SELECT 1 FROM queue_rcpt r WHERE r.queue = queue.id) RETURNING content",
        queue,
    )
    return bytes(row[0]) if row is not None else None


def put_back(tx: Tx, *, queue: int, numbers: Sequence[int], state: str, due: int) -> None:
    """Put leased rows back: to wait until `due`, or to be held."""
    tx.many(
        "UPDATE queue_rcpt SET state = ?, due = ?, lease_until = 0 WHERE queue = ? AND n = ?",
        [(state, due, queue, n) for n in numbers],
    )


def reduce(tx: Tx, *, queue: int, number: int, sealed: bytes) -> None:
    """Leave in a row only those of its batch who go on waiting."""
    tx.run("UPDATE queue_rcpt SET sealed = ? WHERE queue = ? AND n = ?", sealed, queue, number)


def put_later(
    tx: Tx, *, queue: int, number: int, state: str, due: int, sealed: bytes, noticed: bool
) -> None:
    """Put one leased row back, sealed anew."""
    tx.run(
        "UPDATE queue_rcpt SET state = ?, due = ?, lease_until = 0, sealed = ?, noticed = ?"
        " WHERE queue = ? AND n = ?",
        state,
        due,
        sealed,
        1 if noticed else 0,
        queue,
        number,
    )


def uncount(tx: Tx, *, queue: int, numbers: Sequence[int]) -> None:
    """Take back that an attempt was counted: nothing was tried."""
    tx.many(
        "UPDATE queue_rcpt SET attempts = attempts - 1 WHERE queue = ? AND n = ?",
        [(queue, n) for n in numbers],
    )


class QueueSummary(msgspec.Struct, frozen=True):
    """Rows of recipients by what becomes of them; times of the oldest, None where there is none."""

    waiting: int
    held: int
    created: int | None
    """When the oldest entry that still waits was accepted, or was to go where that is later."""
    due: int | None
    """When the most overdue recipient was to be tried."""


def summarize_queue(tx: Reader) -> QueueSummary:
    """What waits, in figures."""
    waiting = tx.row("SELECT COUNT(*), MIN(due) FROM queue_rcpt WHERE state = 'waiting'")
    held = tx.row("SELECT COUNT(*) FROM queue_rcpt WHERE state = 'held'")
    oldest = tx.row(
        "SELECT MIN(COALESCE(q.hold_until, q.created)) FROM queue q"
        " JOIN queue_rcpt r ON r.queue = q.id"
        " WHERE r.state = 'waiting'"
    )
    assert waiting is not None
    assert held is not None
    assert oldest is not None
    return QueueSummary(int(waiting[0]), int(held[0]), oldest[0], waiting[1])

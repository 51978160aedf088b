"""The queue as an operator reads and orders it: pages of rows, and changes of their state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the queue are meant: all that fit everything that is said."""

    queue: int = 0
    trace: str = ""
    organization: str = ""
    route: str = ""
    state: str = ""


def _where(choice: Choice) -> tuple[str, list[int | str]]:
    parts, values = ["(r.queue, r.n) > (?, ?)"], list[int | str]()
    for column, value in (
        ("q.id", choice.queue),
        ("q.trace", choice.trace),
        ("q.org", choice.organization),
        ("r.route", choice.route),
        ("r.state", choice.state),
    ):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    return " AND ".join(parts), values


def list_entries(tx: Reader, *, choice: Choice, after: tuple[int, int], limit: int) -> list[Row]:
    """Rows (id, org, created, route, state, attempts, due, gen, sealed envelope, n, sealed).

    They come after the position (id, n), in that order.
    """
    where, values = _where(choice)
    return tx.rows(
        "SELECT q.id, q.org, q.created, r.route, r.state, r.attempts, r.due, q.gen,"
        " q.sealed_envelope, r.n, r.sealed FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
        f" WHERE {where} ORDER BY r.queue, r.n LIMIT ?",
        *after,
        *values,
        limit,
    )


def choose(
    tx: Reader, *, choice: Choice, after: tuple[int, int], limit: int
) -> list[tuple[int, int, str, str]]:
    """(entry, n, state, route) of chosen rows after a position, in that order."""
    where, values = _where(choice)
    rows = tx.rows(
        "SELECT r.queue, r.n, r.state, r.route FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
        f" WHERE {where} ORDER BY r.queue, r.n LIMIT ?",
        *after,
        *values,
        limit,
    )
    return [(int(queue), int(n), str(state), str(route)) for queue, n, state, route in rows]


NEVER = 1 << 62
"""Later than any moment that mail is held until."""


def order(
    tx: Tx,
    *,
    rows: Sequence[tuple[int, int]],
    state: str,
    due: int | None = None,
    early: bool = True,
) -> int:
    """Give rows that nobody works on another state, and time unless None; returns how many.

    With a time they are on their way: their sender cannot take them back any more. Unless `early`,
    those that are held for their sender keep the moment that the sender chose.
    """
    kept = NEVER if due is None or early else due
    count = 0
    for queue, n in sorted(rows):
        count += tx.run(
            "UPDATE queue_rcpt SET state = ?, due = COALESCE((SELECT q.hold_until FROM queue q"
            " WHERE q.id = queue_rcpt.queue AND q.hold_until > ?), ?, due)"
            " WHERE queue = ? AND n = ? AND state <> 'leased'",
            state,
            kept,
            due,
            queue,
            n,
        )
    if due is not None and early:
        tx.many(
            "UPDATE queue SET hold_until = ? WHERE id = ? AND hold_until > ?",
            [(due, each, due) for each in sorted({queue for queue, _ in rows})],
        )
    return count


def get_hold(tx: Reader, *, queue: int) -> int | None:
    """Until when an entry is held, or was, that its sender may take back; None for others."""
    row = tx.row("SELECT hold_until FROM queue WHERE id = ?", queue)
    return int(row[0]) if row is not None and row[0] is not None else None


def rows_of_trace(tx: Tx, *, trace: str) -> list[Row]:
    """Rows (entry, organization, n, state, attempts, hold_until) of one message, locked."""
    lock = " FOR UPDATE OF r" if tx.engine == "postgresql" else ""
    return tx.rows(
        "SELECT q.id, q.org, r.n, r.state, r.attempts, q.hold_until FROM queue q"
        f" JOIN queue_rcpt r ON r.queue = q.id WHERE q.trace = ? ORDER BY q.id, r.n{lock}",
        trace,
    )


def count_states(tx: Reader) -> dict[str, int]:
    """How many rows are in each state."""
    return {
        str(state): int(count)
        for state, count in tx.rows("SELECT state, COUNT(*) FROM queue_rcpt GROUP BY state")
    }


def oldest_entry(tx: Reader, *, now: int) -> int | None:
    """Since when the oldest message of the queue waits that is not held for its sender, or None."""
    row = tx.row(
        "SELECT COALESCE(hold_until, created) FROM queue"
        " WHERE hold_until IS NULL OR hold_until <= ? ORDER BY id LIMIT 1",
        now,
    )
    return int(row[0]) if row is not None else None

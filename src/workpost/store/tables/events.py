"""Rows of `event`: the trace of what happened to messages, sealed under the organization's key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx


class NewEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event made before the transaction; `kind` is in clear, its story is sealed."""

    id: int
    org: str
    kind: str
    gen: int
    sealed: bytes
    tally: tuple[int, ...] = ()
    """What is counted once it is written (`operations/mailflow/counting.py`); not kept."""


def insert_event(tx: Tx, event: NewEvent) -> None:
    """Append an event at the transaction's time; it is unsent where the organization monitors."""
    tx.run(
        "INSERT INTO event (org, at, id, kind, gen, sealed, unsent) VALUES (?, ?, ?, ?, ?, ?,"
        " (SELECT count(*) FROM email_monitoring WHERE org = ?))",
        event.org,
        tx.env.now(),
        event.id,
        event.kind,
        event.gen,
        event.sealed,
        event.org,
    )


def page_events(tx: Reader, *, org: str, after: tuple[int, int], limit: int) -> list[Row]:
    """Rows (at, id, kind, gen, sealed) of an organization after the position (at, id)."""
    return tx.rows(
        "SELECT at, id, kind, gen, sealed FROM event WHERE org = ? AND (at, id) > (?, ?)"
        " ORDER BY at, id LIMIT ?",
        org,
        *after,
        limit,
    )


def delete_events(tx: Tx, *, before: int, limit: int) -> int:
    """Delete up to `limit` events from before a time, of whatever organization."""
    return tx.run(
        "DELETE FROM event WHERE (org, at, id) IN"
        " (SELECT org, at, id FROM event WHERE at < ? LIMIT ?)",
        before,
        limit,
    )


def page_unsent(tx: Reader, *, org: str, limit: int) -> list[Row]:
    """The oldest rows (at, id, kind, gen, sealed) that are not in the log group yet."""
    return tx.rows(
        "SELECT at, id, kind, gen, sealed FROM event WHERE org = ? AND unsent = 1"
        " ORDER BY at, id LIMIT ?",
        org,
        limit,
    )


def mark_sent(tx: Tx, *, org: str, places: Sequence[tuple[int, int]]) -> None:
    """Note that events, by (at, id), are in the log group."""
    tx.many(
        "UPDATE event SET unsent = 0 WHERE org = ? AND at = ? AND id = ? AND unsent = 1",
        [(org, at, event) for at, event in places],
    )


def next_unsent(tx: Reader, *, after: str) -> str | None:
    """The next organization, by id, that has unsent events."""
    row = tx.row("SELECT min(org) FROM event WHERE unsent = 1 AND org > ?", after)
    return str(row[0]) if row is not None and row[0] is not None else None


def oldest_unsent(tx: Reader, *, org: str) -> int | None:
    """The time of the oldest unsent event."""
    row = tx.row("SELECT at FROM event WHERE org = ? AND unsent = 1 ORDER BY at, id LIMIT 1", org)
    return int(row[0]) if row is not None else None

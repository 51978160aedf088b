"""Rows of `event`: the trace of what happened to messages, sealed under the organization's key."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Row, Tx


class NewEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event made before the transaction; `kind` is in clear, its story is sealed."""

    id: int
    org: str
    kind: str
    gen: int
    sealed: bytes


def insert_event(tx: Tx, event: NewEvent) -> None:
    """Append an event at the transaction's time."""
    tx.run(
        "INSERT INTO event (org, at, id, kind, gen, sealed) VALUES (?, ?, ?, ?, ?, ?)",
        event.org,
        tx.env.now(),
        event.id,
        event.kind,
        event.gen,
        event.sealed,
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

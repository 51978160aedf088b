"""Rows of `in_transit`: messages that functions may read and replace by their messageId."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Row, Tx

INCOMING = "incoming"
OUTGOING = "outgoing"


class TransitRow(msgspec.Struct, frozen=True):
    """One message; `content` is the one that Get gives (the columns: migration 0019)."""

    org: str
    id: str
    direction: str
    content: bytes
    wrapped_key: bytes
    gen: int
    skip: int
    function: str
    running: bool
    synchronous: bool
    replaced: bool
    fence: int
    expires: int


_COLUMNS = ", ".join(TransitRow.__struct_fields__)


def _row(row: Row | None) -> TransitRow | None:
    if row is None:
        return None
    values = dict(zip(TransitRow.__struct_fields__, row, strict=True))
    for flag in ("running", "synchronous", "replaced"):
        values[flag] = bool(values[flag])
    for blob in ("content", "wrapped_key"):
        values[blob] = bytes(values[blob])
    return TransitRow(**values)


def find_row(tx: Reader, *, id: str, now: int) -> TransitRow | None:
    """The message of this id, in whatever organization, unless it has expired."""
    return _row(tx.row(f"SELECT {_COLUMNS} FROM in_transit WHERE id = ? AND expires > ?", id, now))


def lock_row(tx: Tx, *, org: str, id: str) -> TransitRow | None:
    """The organization's message of this id, expired or not; nobody else changes it meanwhile."""
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    return _row(
        tx.row(f"SELECT {_COLUMNS} FROM in_transit WHERE org = ? AND id = ?{lock}", org, id)
    )


def put_row(tx: Tx, row: TransitRow) -> None:
    """Insert a message, or replace all of its row."""
    values = [int(v) if isinstance(v, bool) else v for v in msgspec.structs.astuple(row)]
    changes = ", ".join(
        f"{name} = excluded.{name}"
        for name in TransitRow.__struct_fields__
        if name not in {"org", "id"}
    )
    tx.run(
        f"INSERT INTO in_transit ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})"
        f" ON CONFLICT (org, id) DO UPDATE SET {changes}",
        *values,
    )


def delete_expired(tx: Tx, *, now: int, limit: int) -> list[bytes]:
    """Delete up to `limit` messages whose time is over; returns the ids of their contents."""
    rows = tx.rows(
        "DELETE FROM in_transit WHERE (org, id) IN"
        " (SELECT org, id FROM in_transit WHERE expires <= ? LIMIT ?) RETURNING content",
        now,
        limit,
    )
    return [bytes(row[0]) for row in rows]

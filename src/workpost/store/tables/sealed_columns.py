"""Columns of an organization that are sealed by its data key, `gen` beside them, for rotation.

Pages go by primary key and return rows of all generations, so that a page has a bounded cost; the
caller picks those below the current generation. An UPDATE names the old value, so that a change
made meanwhile by someone else wins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from workpost.store.database.unit import Reader, Row, Tx, command

Key = tuple[Any, ...]
"""Text, numbers or bytes."""


class _Column(NamedTuple):
    keys: tuple[str, ...]
    """What a row has beside its organization."""
    start: Key
    """Before all of them."""
    sealed: str = "sealed"
    where: str = ""
    """Rows that have a value."""


_COLUMNS = {
    "availability": _Column(("domain",), ("",), where=" AND kind = 'EWS'"),
    "dkim_key": _Column(("domain", "selector"), ("", ""), where=" AND state <> 'RETIRING'"),
    "event": _Column(("at", "id"), (0, 0)),
    "in_transit": _Column(("id",), ("",), sealed="wrapped_key"),
    "service_log": _Column(("at", "id"), (0, 0)),
    "smtp_gateway": _Column(("id",), ("",)),
    "suppression": _Column(("tag",), (b"",)),
}


def page_sealed(
    tx: Reader, *, table: str, organization: str, after: Key | None, limit: int
) -> list[Row]:
    """Rows (key ..., gen, sealed) of an organization after a key, None: from the first."""
    column = _COLUMNS[table]
    keys = ", ".join(column.keys)
    marks = ", ".join("?" * len(column.keys))
    return tx.rows(
        f"SELECT {keys}, gen, {column.sealed} FROM {table}"
        f" WHERE org = ?{column.where} AND ({keys}) > ({marks}) ORDER BY {keys} LIMIT ?",
        organization,
        *(column.start if after is None else after),
        limit,
    )


@command
def rewrap_sealed(
    tx: Tx, *, table: str, organization: str, gen: int, rows: list[tuple[Key, bytes, bytes]]
) -> None:
    """Replace sealed values: (key, old value, new value)."""
    column = _COLUMNS[table]
    where = " AND ".join(f"{key} = ?" for key in ("org", *column.keys, column.sealed))
    tx.many(
        f"UPDATE {table} SET {column.sealed} = ?, gen = ? WHERE {where}",
        [(new, gen, organization, *key, old) for key, old, new in rows],
    )

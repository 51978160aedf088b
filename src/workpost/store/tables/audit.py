"""Rows of `audit`: chunks of records of API calls, one account's each, sealed."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx


class AuditChunk(msgspec.Struct, frozen=True, array_like=True):
    """Some calls of an account; `at` is the time of the latest."""

    account: str
    at: int
    id: int
    calls: int
    sealed: bytes


def insert_chunks(tx: Tx, chunks: list[AuditChunk]) -> None:
    """Append chunks; one that is there already stays."""
    tx.many(
        "INSERT INTO audit (account, at, id, calls, sealed) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [msgspec.structs.astuple(chunk) for chunk in chunks],
    )


def page_audit(tx: Reader, *, account: str, after: tuple[int, int], limit: int) -> list[AuditChunk]:
    """The account's chunks after (at, id), oldest first."""
    rows = tx.rows(
        "SELECT account, at, id, calls, sealed FROM audit"
        " WHERE account = ? AND (at, id) > (?, ?) ORDER BY at, id LIMIT ?",
        account,
        *after,
        limit,
    )
    return [AuditChunk(*row) for row in rows]


def list_audited(tx: Reader) -> list[str]:
    """Accounts that have records, also those that have no row of their own."""
    sql = "SELECT id FROM account UNION SELECT account FROM audit ORDER BY 1"
    return [str(row[0]) for row in tx.rows(sql)]


def delete_old_audit(tx: Tx, *, before: int, limit: int) -> int:
    """Delete up to `limit` chunks older than a time; returns how many there were."""
    return tx.run(
        "DELETE FROM audit WHERE (account, at, id) IN"
        " (SELECT account, at, id FROM audit WHERE at < ? ORDER BY at LIMIT ?)",
        before,
        limit,
    )

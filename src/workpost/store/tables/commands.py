"""The record of commands that were done, by which commits in doubt are settled."""

from __future__ import annotations

from workpost.store.database.doubt import RECORDED, oldest_kept
from workpost.store.database.unit import Reader, Tx, command, quick

EXPIRE_EVERY = 60.0
"""Seconds between rounds of expiry."""
EXPIRE_SLICE = 500


@quick
def recorded_result(tx: Reader, id: bytes) -> bytes | None:
    """The packed result of a command that was done within the last hour."""
    row = tx.row(RECORDED, id)
    return row[0] if row else None


@command
def expire_commands(tx: Tx) -> int:
    """Forget up to 500 commands older than an hour; returns how many there were."""
    return tx.run(
        "DELETE FROM command_done WHERE id IN"
        " (SELECT id FROM command_done WHERE id < ? ORDER BY id LIMIT ?)",
        oldest_kept(),
        EXPIRE_SLICE,
    )


@command
def probe(tx: Tx) -> int:
    """Do nothing durably: the health check's proof that the database takes writes."""
    return tx.env.now()

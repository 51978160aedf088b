"""Rows of `sieve_memory`: what personal rules remember of senders and messages, as keyed tags.

Nobody can tell from a tag whom it stands for; equal tags are equal within one mailbox and kind.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, command, quick

ANSWER = "answer"
"""A sender who was answered while the owner is away (RFC 5230)."""
SEEN = "seen"
"""An id that `duplicate` has seen (RFC 7352)."""
TOLD = "told"
"""A fault of a script that its owner was told of."""


class Memory(msgspec.Struct, frozen=True, array_like=True):
    """What is to be remembered until `expires` (ms); `renew` also where it is known already."""

    mailbox: int
    kind: str
    tag: bytes
    expires: int
    renew: bool = False


@quick
def is_remembered(tx: Reader, *, mailbox: int, kind: str, tag: bytes) -> bool:
    """Whether a tag was remembered and has not expired."""
    row = tx.row(
        "SELECT 1 FROM sieve_memory WHERE mailbox = ? AND kind = ? AND tag = ? AND expires > ?",
        mailbox,
        kind,
        tag,
        tx.env.now(),
    )
    return row is not None


def remember(tx: Tx, memory: Memory) -> bool:
    """Remember a tag; False when it was remembered already, which decides who answers."""
    now = tx.env.now()
    fresh = tx.run(
        "INSERT INTO sieve_memory (mailbox, kind, tag, expires) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (mailbox, kind, tag) DO UPDATE SET expires = excluded.expires"
        " WHERE sieve_memory.expires <= ?",
        memory.mailbox,
        memory.kind,
        memory.tag,
        memory.expires,
        now,
    )
    if not fresh and memory.renew:
        tx.run(
            "UPDATE sieve_memory SET expires = ? WHERE mailbox = ? AND kind = ? AND tag = ?",
            memory.expires,
            memory.mailbox,
            memory.kind,
            memory.tag,
        )
    return bool(fresh)


@command
def drop_expired(tx: Tx, *, limit: int) -> int:
    """Forget up to `limit` tags that have expired; returns how many."""
    return tx.run(
        "DELETE FROM sieve_memory WHERE (mailbox, kind, tag) IN"
        " (SELECT mailbox, kind, tag FROM sieve_memory WHERE expires <= ?"
        " ORDER BY expires LIMIT ?)",
        tx.env.now(),
        limit,
    )

"""Ids of commands, by which a commit in doubt is settled.

An id is 48 bits of time and 80 random bits of the real world, whatever Environment the core was
given: two processes must never make the same one. It is recorded in the transaction of its command
for an hour; a command that comes again under a recorded id is answered with the recorded result.
"""

from __future__ import annotations

import time

from workpost.kernel.clock import id_bits

KEEP_MS = 3_600_000


def new_command_id() -> bytes:
    """A fresh 128-bit id."""
    return (time.time_ns() // 1_000_000 << 80 | id_bits(80)).to_bytes(16, "big")


def oldest_kept() -> bytes:
    """The smallest id younger than an hour."""
    return (time.time_ns() // 1_000_000 - KEEP_MS).to_bytes(6, "big") + bytes(10)


RECORD = "INSERT INTO command_done (id, result) VALUES (?, ?) ON CONFLICT DO NOTHING"
REFUSED = b""
"""Recorded as the result of a command in doubt whose second run was refused: the first one, should
it still be under way, finds its id taken. No packed result is empty."""
RECORD_RESULT = "UPDATE command_done SET result = ? WHERE id = ?"
RECORDED = "SELECT result FROM command_done WHERE id = ?"

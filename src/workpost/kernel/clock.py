"""The Environment: clock, ids and randomness, given to the core so that tests are exact.

Nothing below the protocols reads the clock or makes a random id by itself. Times are integers:
milliseconds since the epoch, UTC, unless a name says otherwise.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from typing import Protocol

EPOCH_2020_MS = 1_577_836_800_000
ITEM_RANDOM_BITS = 21


class Environment(Protocol):
    """What the core may know of the world outside."""

    def now(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """`count` cryptographically strong random bytes."""
        ...

    def new_id(self) -> int:
        """A fresh positive 63-bit id for an item, folder, mailbox, job or queue row.

        42 bits of milliseconds since 2020 and 21 random bits, rising within a process: rows made
        together lie together in the B-tree (docs/decisions/0004-ids.md).
        """
        ...

    def new_content_id(self) -> bytes:
        """A fresh 128-bit id for a content or a command: 48 bits of time, 80 random bits."""
        ...

    def new_uuid(self) -> str:
        """A random UUID in its usual text form (ids of users and groups)."""
        ...

    def new_hex(self) -> str:
        """32 random hex digits (ids of organizations and resources, after their prefix)."""
        ...


class _IdBits:
    """Random bits for ids, which are to differ, not to be secret: a generator seeded by the system.

    A child process seeds it anew, so that it never repeats its parent's.
    """

    def __init__(self) -> None:
        self._generator = random.Random(os.urandom(32))  # noqa: S311 - ids are no secrets
        self.take = self._generator.getrandbits
        """So many random bits, as an integer."""
        os.register_at_fork(after_in_child=self.seed)

    def seed(self) -> None:
        """Begin a sequence that nobody else has."""
        self._generator.seed(os.urandom(32))


_id_bits = _IdBits()
id_bits = _id_bits.take
"""So many random bits, as an integer, for ids that are no secrets; other processes make others."""
_id_lock = threading.Lock()


class SystemEnvironment:
    """The real world."""

    def __init__(self) -> None:
        self._last_id = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def new_id(self) -> int:
        bits = _id_bits.take(ITEM_RANDOM_BITS)
        fresh = (self.now() - EPOCH_2020_MS) << ITEM_RANDOM_BITS | bits
        with _id_lock:
            if fresh <= self._last_id:
                fresh = self._last_id + 1 + (bits & 63)
            self._last_id = fresh
        return fresh

    def new_content_id(self) -> bytes:
        return (self.now() << 80 | _id_bits.take(80)).to_bytes(16, "big")

    def new_uuid(self) -> str:
        return str(uuid.uuid4())

    def new_hex(self) -> str:
        return os.urandom(16).hex()


class FixedEnvironment(SystemEnvironment):
    """A world for tests: the clock moves only when told, ids count up from one."""

    def __init__(self, now: int = 1_767_225_600_000) -> None:
        super().__init__()
        self._now = now
        self._count = 0

    def advance(self, milliseconds: int) -> None:
        """Move the clock forward (or back, with a negative number, as a jumping clock does)."""
        self._now += milliseconds

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._now / 1000

    def random_bytes(self, count: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(count, "big")

    def new_id(self) -> int:
        self._count += 1
        return self._count

    def new_content_id(self) -> bytes:
        return self.random_bytes(16)

    def new_uuid(self) -> str:
        return str(uuid.UUID(int=int.from_bytes(self.random_bytes(16), "big")))

    def new_hex(self) -> str:
        return self.random_bytes(16).hex()

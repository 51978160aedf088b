"""The Environment: clock, ids and randomness, given to the core so that tests are exact.

Nothing below the protocols reads the clock or makes a random id by itself. Times are integers:
milliseconds since the epoch, UTC, unless a name says otherwise.
"""

from __future__ import annotations

import os
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
    """Random octets for ids, fetched 2 KiB at a time: ids are to differ, not to be secret.

    A child process starts with none, so that it never repeats its parent's.
    """

    def __init__(self) -> None:
        self._left = memoryview(b"")
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Throw away what is left."""
        self._left = memoryview(b"")

    def take(self, count: int) -> bytes:
        """The next octets; callers hold a lock."""
        if len(self._left) < count:
            self._left = memoryview(os.urandom(2048))
        taken, self._left = self._left[:count], self._left[count:]
        return taken.tobytes()


_id_bits = _IdBits()
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
        fresh = (self.now() - EPOCH_2020_MS) << ITEM_RANDOM_BITS
        with _id_lock:
            bits = _id_bits.take(3)
            fresh |= int.from_bytes(bits, "big") >> (24 - ITEM_RANDOM_BITS)
            if fresh <= self._last_id:
                fresh = self._last_id + 1 + (bits[0] >> 2)
            self._last_id = fresh
        return fresh

    def new_content_id(self) -> bytes:
        with _id_lock:
            return self.now().to_bytes(6, "big") + _id_bits.take(10)

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

"""How much of something a key may have in a window that decays: a leaky bucket for each key.

A bucket holds ``limit`` and empties evenly within ``seconds``: nobody gets more than ``limit`` at
once, or than twice that within a window. It is one float a key, the time at which it will be empty;
the keys that nobody added to for longest are forgotten first. Bounded, and pure: the caller passes
the time in seconds of a clock that never goes back.
"""

from collections import OrderedDict

ENTRIES = 20_000
"""Keys that are remembered, some 150 bytes each."""

TICK = 1e-6
"""Seconds that sums of floats may be off."""


class Rate:
    """Buckets of one kind; a ``limit`` of 0 lets everything pass. Both may change while in use."""

    def __init__(self, limit: int, seconds: float, entries: int = ENTRIES) -> None:
        self.limit = limit
        self.seconds = seconds
        self._entries = entries
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._empty_at)

    def wait(self, now: float, key: str) -> float:
        """Seconds until one more fits into the bucket of ``key``, 0 for now."""
        if not self.limit:
            return 0.0
        room = self.seconds - self.seconds / self.limit
        wait = self._empty_at.get(key, now) - now - room
        return wait if wait > TICK else 0.0

    def add(self, now: float, key: str) -> None:
        """One more; a bucket may overflow, at most by as much as it holds."""
        if not self.limit:
            return
        empty_at = max(now, self._empty_at.get(key, now)) + self.seconds / self.limit
        self._empty_at[key] = min(empty_at, now + 2 * self.seconds)
        self._empty_at.move_to_end(key)
        if len(self._empty_at) > self._entries:
            self._empty_at.popitem(last=False)

    def level(self, now: float, key: str) -> float:
        """How many are in the bucket of ``key``."""
        return max(0.0, self._empty_at.get(key, now) - now) / self.seconds * self.limit

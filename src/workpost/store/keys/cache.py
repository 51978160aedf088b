"""Keys in clear, at most 60 seconds and a bounded number of them, for one process."""

from __future__ import annotations

import threading
from collections import OrderedDict

import msgspec

from workpost.kernel.clock import Environment
from workpost.store.keys.types import DataKey

SECONDS = 60.0
MOST = 20_000


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    expires: float
    parent: str
    key: DataKey


class ClearKeys:
    """Clear keys by scope and generation; generation 0 stands for the current one.

    Entries are in the order in which they expire, since all live equally long.
    """

    def __init__(self, env: Environment, *, seconds: float = SECONDS, most: int = MOST) -> None:
        self._env = env
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, scope: str, gen: int, parent: str = "") -> DataKey | None:
        """The key, if it was cached less than 60 s ago (and hangs from `parent`, if given)."""
        entry = self._entries.get((scope, gen))
        if entry is None or entry.expires <= self._env.monotonic():
            return None
        return entry.key if not parent or entry.parent == parent else None

    def put(self, scope: str, parent: str, key: DataKey, *, current: bool) -> None:
        """Keep a key; `current` also under generation 0."""
        entry = _Entry(self._env.monotonic() + self._seconds, parent, key)
        with self._lock:
            for gen in (key.gen, 0) if current else (key.gen,):
                self._entries[scope, gen] = entry
                self._entries.move_to_end((scope, gen))
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def forget(self, scope: str) -> None:
        """Drop every generation of a scope and all that hangs from it."""
        with self._lock:
            for place, entry in list(self._entries.items()):
                if place[0] == scope or entry.parent == scope:
                    del self._entries[place]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()

    def prune(self) -> None:
        """Drop what is too old."""
        now = self._env.monotonic()
        with self._lock:
            while self._entries:
                place, entry = next(iter(self._entries.items()))
                if entry.expires > now:
                    return
                del self._entries[place]

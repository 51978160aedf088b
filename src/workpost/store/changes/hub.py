"""Announcements within a process: who wants to hear of what.

A hint says only that something rose; whoever hears it reads again. Hints may be lost, so the values
of what is watched are also compared with the database from time to time (`compare.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from workpost.store.database.unit import Hint

log = logging.getLogger("workpost.store")

Heard = Callable[[int], None]
Key = tuple[str, str]

ANY = ""
"""The key under which every hint of a kind is heard."""


class Watch:
    """A subscription; close it when nobody listens any more."""

    __slots__ = ("_hub", "heard", "key", "kind")

    def __init__(self, hub: Hub, kind: str, key: str, heard: Heard) -> None:
        self._hub = hub
        self.kind = kind
        self.key = key
        self.heard = heard

    def close(self) -> None:
        """Hear no more. Closing twice does no harm."""
        self._hub.remove(self)


class Hub:
    """Subscriptions of one process; lives on its event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watches: dict[Key, dict[Watch, None]] = {}
        self._known: dict[Key, int] = {}
        self._due: dict[Key, int] = {}
        self._scheduled = False

    def watch(self, kind: str, key: str, heard: Heard) -> Watch:
        """Call `heard(value)` on the loop, once per tick at most, when (kind, key) rises.

        With the key `""` every hint of the kind is heard.
        """
        watch = Watch(self, kind, key, heard)
        self._watches.setdefault((kind, key), {})[watch] = None
        return watch

    def remove(self, watch: Watch) -> None:
        """Forget a watch."""
        place = (watch.kind, watch.key)
        watches = self._watches.get(place)
        if watches is not None:
            watches.pop(watch, None)
            if not watches:
                del self._watches[place]
                self._known.pop(place, None)

    def publish(self, hints: Iterable[Hint]) -> None:
        """Tell the watchers, at the loop's next tick."""
        watches = self._watches
        for hint in hints:
            for key in (hint.key, ANY) if hint.key else (ANY,):
                place = (hint.kind, key)
                if place in watches and hint.value >= self._due.get(place, hint.value):
                    self._due[place] = hint.value
        if self._due and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._tell)

    def watched(self, kind: str) -> list[str]:
        """The keys of a kind that somebody watches."""
        return [key for watched, key in self._watches if watched == kind]

    def compare(self, kind: str, values: Iterable[tuple[str, int]]) -> None:
        """Tell the watchers whose key has another value than they last heard of.

        A key that was never heard of is told once: what happened between the watcher's first read
        and this comparison cannot be known otherwise.
        """
        self.publish([Hint(kind, key, v) for key, v in values if self._known.get((kind, key)) != v])

    def _tell(self) -> None:
        self._scheduled = False
        due, self._due = self._due, {}
        for place, value in due.items():
            watches = self._watches.get(place)
            if watches is None:
                continue
            self._known[place] = value
            for watch in list(watches):
                try:
                    watch.heard(value)
                except Exception:  # one listener's bug must not silence the others
                    log.exception("a listener of %s failed", place[0])

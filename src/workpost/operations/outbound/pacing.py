"""How many deliveries to one destination run side by side, learnt from what becomes of them.

As Postfix's queue manager documents it: a destination begins with a small window; each success
widens it by its own inverse (so a window's worth of successes adds one), a server that says it has
too much narrows it, and a window's worth of failures to reach the destination closes it. A closed
destination is noted in the database (`store/tables/queue_routes.py`) for all nodes, and one probe
at a time finds out when it is back. Pure; lives in one process.
"""

from __future__ import annotations

from typing import Literal

FIRST = 5
"""Deliveries side by side to a destination of which nothing is known."""
REMEMBERED = 10_000
"""Destinations without a delivery under way that are remembered."""

Feedback = Literal["good", "slow", "bad", "none"]
"""Reached; reached and asked for less; not reached; nothing was learnt."""


class _Destination:
    __slots__ = ("failed", "under_way", "window")

    def __init__(self, window: float) -> None:
        self.window = window
        self.failed = 0.0
        self.under_way = 0


class Pacing:
    """The windows of all destinations; `most` is the widest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, _Destination] = {}

    @property
    def first(self) -> int:
        """The window of a destination of which nothing is known."""
        return min(FIRST, self._most)

    def rooms(self) -> dict[str, int]:
        """How many more deliveries may begin to each destination that has some under way."""
        return {
            route: max(0, int(known.window) - known.under_way)
            for route, known in self._known.items()
            if known.under_way or int(known.window) != self.first
        }

    def begin(self, route: str) -> None:
        """A delivery begins."""
        known = self._known.pop(route, None) or _Destination(float(self.first))
        self._known[route] = known
        known.under_way += 1
        if len(self._known) > REMEMBERED:
            self._forget()

    def end(self, route: str, feedback: Feedback) -> bool:
        """A delivery ended; True when the destination is to be closed."""
        known = self._known[route]
        known.under_way -= 1
        if feedback == "good":
            known.failed = 0.0
            known.window = min(known.window + 1 / known.window, float(self._most))
        elif feedback == "slow":
            known.failed = 0.0
            known.window = max(1.0, known.window / 2)
        elif feedback == "bad":
            known.failed += 1 / known.window
            known.window = max(1.0, known.window - 1 / known.window)
            # A hair under one: fractions of a window do not add up exactly.
            return known.failed >= 0.999
        return False

    def reopen(self, route: str) -> None:
        """A probe reached a destination that was closed: begin carefully."""
        known = self._known.get(route)
        if known is not None:
            known.window, known.failed = float(self.first), 0.0

    def close(self, route: str) -> None:
        """The destination is closed: one delivery at a time until it is reached."""
        known = self._known.get(route)
        if known is not None:
            known.window, known.failed = 1.0, 0.0

    def _forget(self) -> None:
        for route in [route for route, known in self._known.items() if not known.under_way]:
            del self._known[route]
            if len(self._known) <= REMEMBERED // 2:
                return

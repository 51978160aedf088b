"""Whose turn it is: puts what is due in an order that keeps nobody waiting for another's many.

Organizations take turns, on the whole and on every route; within one its lanes do
(`store/tables/queue_turns.py`). Who was served longest ago comes first. Pure; lives in one process.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from workpost.store.tables.queue_turns import Due

REMEMBERED = 20_000
"""Turns that are remembered; who is forgotten comes first."""


class Turns:
    """Who was served when, and where looks at the queue go on."""

    def __init__(self) -> None:
        self._count = 0
        self._served: dict[tuple[str, str], int] = {}
        self._after: dict[str, str] = {}

    def after(self, route: str = "") -> str:
        """The flow after which the next look at a route, or at all of them, begins."""
        return self._after.get(route, "")

    def go_on(self, route: str, flow: str) -> None:
        """Remember where the next look begins; the beginning needs no memory."""
        self._after.pop(route, None)
        if flow:
            self._after[route] = flow
            _forget(self._after)

    def serve(self, due: Due) -> None:
        """Note that somebody has had a turn."""
        self._count += 1
        for key in (
            ("", due.organization),
            ("", due.flow),
            (due.route, due.organization),
            (due.route, due.flow),
        ):
            self._served.pop(key, None)
            self._served[key] = self._count
        _forget(self._served)

    def order(self, found: Sequence[Due]) -> list[Due]:
        """All of `found`, in the order in which they are to be served.

        Organizations have their turns one after the other. Where a turn leads to a route on which
        others have waited longer for theirs, they are served before it.
        """
        routes: dict[str, list[Due]] = defaultdict(list)
        for due in found:
            routes[due.route].append(due)
        lines = {route: deque(self._line(route, waiting)) for route, waiting in routes.items()}
        order = list[Due]()
        before = Counter[Due]()
        for due in self._line("", found):
            if before[due]:
                before[due] -= 1
                continue
            while (first := lines[due.route].popleft()) != due:
                before[first] += 1
                order.append(first)
            order.append(due)
        return order

    def _line(self, route: str, waiting: Iterable[Due]) -> list[Due]:
        organizations: dict[str, list[Due]] = defaultdict(list)
        for due in waiting:
            organizations[due.organization].append(due)
        line = []
        for each in organizations.values():
            line += self._in_rounds(route, each, _flow)
        return self._in_rounds(route, line, _organization)

    def _in_rounds(
        self, route: str, waiting: Iterable[Due], name: Callable[[Due], str]
    ) -> list[Due]:
        rounds: dict[str, int] = defaultdict(int)
        keyed = []
        for due in waiting:
            whose = name(due)
            keyed.append((rounds[whose], self._served.get((route, whose), 0), whose, due))
            rounds[whose] += 1
        keyed.sort(key=lambda each: each[:3])
        return [each[3] for each in keyed]


def _flow(due: Due) -> str:
    return due.flow


def _organization(due: Due) -> str:
    return due.organization


def _forget(known: dict[Any, Any]) -> None:
    if len(known) > REMEMBERED:
        for key in list(known)[: REMEMBERED // 2]:
            del known[key]

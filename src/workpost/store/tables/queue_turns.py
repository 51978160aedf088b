"""Who waits in the queue: due rows by flow, so that those who come to take them can take turns.

A flow is an organization and a lane within it (`flow_of`). Walks go from flow to flow by an index,
past however many rows of one flow: what a look costs depends on how many flows it may see, not on
how much anybody has queued.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader
from workpost.store.tables.queue_kinds import ELSEWHERE, FUNCTION, OUT

SENDERS = 8
"""Lanes that the senders of an organization share; who sends much delays only those in his own."""
FLOWS = 48
"""Flows that one look walks through, due or not."""
FLOWS_EACH = 8
"""Flows of one route, where few places are free at once."""
EACH = 4
"""Due rows of each flow that one look sees, at least."""
FIRST = 50
"""Rows of an entry that wait in their sender's lane; those after them wait in lanes for many."""


class Due(msgspec.Struct, frozen=True):
    """One due row: where it goes, its entry, whose turn it is."""

    route: str
    entry: int
    flow: str

    @property
    def organization(self) -> str:
        """The organization that the flow is of."""
        return self.flow.partition("/")[0]


def flow_of(organization: str, sender: str, number: int) -> str:
    """The flow of an entry's row `number`.

    Rows after the first `FIRST` are in lanes of their own: up to 500, up to 5,000, all others.
    So nobody with few recipients waits for the many recipients of another message.
    """
    if number < FIRST:
        lane = zlib.crc32(sender.encode("utf-8", "surrogateescape")) % SENDERS
    else:
        lane = SENDERS + (number >= FIRST * 10) + (number >= FIRST * 100)
    return f"{organization}/{lane:02d}"


def due_in_turn(
    tx: Reader,
    *,
    now: int,
    busy: Sequence[str],
    after: str,
    limit: int,
    functions: bool = False,
) -> tuple[list[Due], str]:
    """Due rows for elsewhere, or for `functions`, but on `busy` routes: all when they are few.

    When more are due than `limit`, first the rows of the next `FLOWS` flows after `after`, then the
    most overdue. Also the flow to go on after.
    """
    without = f" AND route NOT IN ({', '.join('?' * len(busy))})" if busy else ""
    kind = f"state = 'waiting' AND {ELSEWHERE} AND {FUNCTION if functions else OUT}"
    where = f"{kind} AND due <= ?{without}"
    oldest = _due(tx, where, (now, *busy), "", limit)
    if len(oldest) < limit:
        return _distinct(oldest), after
    flows = _flows(tx, kind, (), after, FLOWS)
    each = max(EACH, limit // len(flows)) if flows else 0
    found = []
    for flow in flows:
        found += _due(tx, where, (now, *busy), flow, each)
    return _distinct(found + oldest), _next(flows, FLOWS)


def due_in_turn_on_route(
    tx: Reader, *, route: str, now: int, after: str, limit: int
) -> tuple[list[Due], str]:
    """The same for one route, which may be that of local mailboxes."""
    where = "state = 'waiting' AND route = ? AND due <= ?"
    oldest = _due(tx, where, (route, now), "", limit)
    if len(oldest) < limit:
        return _distinct(oldest), after
    flows = _flows(tx, "state = 'waiting' AND route = ?", (route,), after, FLOWS_EACH)
    found = []
    for flow in flows:
        found += _due(tx, where, (route, now), flow, EACH)
    return _distinct(found + oldest), _next(flows, FLOWS_EACH)


def _due(
    tx: Reader, where: str, values: tuple[int | str, ...], flow: str, limit: int
) -> list[tuple[str, int, str]]:
    """Rows (route, entry, flow), the most overdue first; of one flow unless that is empty."""
    more = " AND flow = ?" if flow else ""
    rows = tx.rows(
        f"SELECT route, queue, flow FROM queue_rcpt WHERE {where}{more} ORDER BY due LIMIT ?",
        *values,
        *((flow,) if flow else ()),
        limit,
    )
    return [(str(route), int(queue), str(flow)) for route, queue, flow in rows]


def _flows(tx: Reader, where: str, values: tuple[str, ...], after: str, limit: int) -> list[str]:
    """Flows with waiting rows, up to `limit`, in order after `after`; from the first at the end."""
    found = _walk(tx, where, values, after, limit)
    if len(found) < limit and after:
        around = _walk(tx, where, values, "", limit - len(found))
        found += [flow for flow in around if flow <= after]
    return found


def _walk(tx: Reader, where: str, values: tuple[str, ...], after: str, limit: int) -> list[str]:
    step = f"SELECT r.flow FROM queue_rcpt r WHERE {where} AND r.flow > %s ORDER BY r.flow LIMIT 1"
    rows = tx.rows(
        f"WITH RECURSIVE walk (flow, depth) AS (SELECT ({step % '?'}), 1"
        f" UNION ALL SELECT ({step % 'walk.flow'}), walk.depth + 1 FROM walk"
        " WHERE walk.flow IS NOT NULL AND walk.depth < ?)"
        " SELECT flow FROM walk WHERE flow IS NOT NULL ORDER BY depth",
        *values,
        after,
        *values,
        limit,
    )
    return [str(row[0]) for row in rows]


def _next(flows: list[str], limit: int) -> str:
    """Where the next walk begins; all flows were seen when there are fewer than it may see."""
    return flows[-1] if len(flows) == limit else ""


def _distinct(rows: list[tuple[str, int, str]]) -> list[Due]:
    """One of each entry and route, in the order of first sight."""
    first: dict[tuple[str, int], Due] = {}
    for row in rows:
        first.setdefault(row[:2], Due(*row))
    return list(first.values())

"""What the runner of outbound mail takes from the queue, and keeps while it works.

A lease covers rows of one entry on one route. Leases end by the database's clock; the holder renews
them while it works, and names its fence in whatever it writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from workpost.operations.outbound import schedule
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import queue, queue_routes, queue_turns
from workpost.store.tables.jobs import database_now
from workpost.store.tables.queue import LeasedEntry
from workpost.store.tables.queue_routes import Trouble
from workpost.store.tables.queue_turns import Due

PROBE_MS = 5 * 60_000
"""How long the others leave a destination to whoever probes it."""
RECIPIENTS = 50
"""Recipients of one delivery."""
LOOK = 200
"""Due rows that one look sees."""
LOOK_EACH = 20
"""Of one route, where only some are looked at."""
PUT_OFF = 500
"""Rows of a destination in trouble that one command puts off."""
SETTLED_EACH = 5
"""Entries for a destination in trouble that one command leases to tell or give up."""
SPREAD_MS = 60_000
"""Over so long the rows of a destination in trouble come back after it was probed."""


class Patience(msgspec.Struct, frozen=True):
    """After how many milliseconds a sender is told that mail is late (0: never), and of its end."""

    notice: int
    give_up: int


class Leased(msgspec.Struct, frozen=True):
    """Recipients of one entry on one route, held under a fence.

    With `trouble` nothing is sent: the destination is not reached now, and who waits has waited
    long enough for its sender to hear of it. With `failures` this is a probe: the destination was
    not reached so many times in a row.
    """

    entry: LeasedEntry
    fence: int
    route: str
    trouble: Trouble | None = None
    failures: int = 0
    due: Due | None = None
    """Whose turn it was; None for a probe, and where nothing is sent."""


class Seen(msgspec.Struct, frozen=True):
    """What a look at the queue found, without touching it."""

    due: list[Due]
    """Of all that wait, however much some have queued."""
    after: dict[str, str]
    """The flow after which the next look at a route (empty: at all) begins."""
    expired: bool
    """Somebody's lease ran out."""
    rest_ms: int | None
    """Until the next row becomes due; None: nothing waits for that."""


class Taken(msgspec.Struct, frozen=True):
    """What was leased, and how many rows were put off because their destination is not reached."""

    leased: list[Leased]
    put_off: int


def look(
    tx: Reader, *, busy: Sequence[str], only: Sequence[str] | None, after: Mapping[str, str]
) -> Seen:
    """See what is due, on no `busy` route, and on no others than `only` unless that is None.

    `after` says where to begin (`Seen.after` of the look before). Costs a look into two indices
    when nothing is due, however much waits.
    """
    now = database_now(tx)
    due: list[Due] = []
    reached = {}
    if only is None:
        due, reached[""] = queue_turns.due_in_turn(
            tx, now=now, busy=busy, after=after.get("", ""), limit=LOOK
        )
    for route in only or ():
        found, reached[route] = queue_turns.due_in_turn_on_route(
            tx, route=route, now=now, after=after.get(route, ""), limit=LOOK_EACH
        )
        due += found
    coming = queue_routes.next_due(tx, now=now)
    expired = queue_routes.has_expired(tx, now=now)
    return Seen(due, reached, expired, None if coming is None else coming - now)


@command
def release_expired(tx: Tx) -> int:
    """Let rows whose holder let the lease run out be due; returns how many."""
    return queue_routes.release_expired(tx, now=database_now(tx), limit=LOOK)


@command
def take_due(
    tx: Tx,
    *,
    due: list[Due],
    rooms: dict[str, int],
    first: int,
    most: int,
    patience: Patience,
    lease_ms: int,
) -> Taken:
    """Lease up to `most` deliveries of what `look` found due, in the order of `due`.

    Of an entry with more recipients on a route than one delivery has, the next delivery comes when
    everybody else has had a turn. `rooms` says how many may begin on a route, `first` on those that
    are not named. Rows of destinations in trouble are put off, but for a probe and for those whose
    senders are to hear.
    """
    now = database_now(tx)
    taking = _Taking(tx, now, rooms, first, most, patience, now + lease_ms)
    taking.take(due)
    return Taken(taking.leased, taking.put_off)


class _Taking:
    """One command's way through what is due."""

    def __init__(
        self,
        tx: Tx,
        now: int,
        rooms: Mapping[str, int],
        first: int,
        most: int,
        patience: Patience,
        lease_until: int,
    ) -> None:
        self._tx = tx
        self._now = now
        self._rooms = dict(rooms)
        self._first = first
        self._most = most
        self._patience = patience
        self._lease_until = lease_until
        self._closed: set[str] = set()
        self._troubles: dict[str, Trouble] = {}
        self.leased: list[Leased] = []
        self.put_off = 0

    def take(self, found: list[Due]) -> None:
        routes = sorted({due.route for due in found})
        self._troubles = queue_routes.lock_troubles(self._tx, routes=routes)
        waiting = deque(found)
        while waiting and len(self.leased) < self._most:
            due = waiting.popleft()
            if due.route in self._closed or self._in_trouble(due.route):
                continue
            if self._lease(due):
                waiting.append(due)

    def _lease(self, due: Due) -> bool:
        """Lease one delivery; tells whether its entry may have another one on the route."""
        room = self._rooms.get(due.route, self._first)
        if room <= 0:
            return False
        fence = self._tx.env.new_id()
        got = self._hold(due.route, due.entry, fence)
        if got is None:
            return False
        self._rooms[due.route] = room - 1
        self.leased.append(Leased(got, fence, due.route, due=due))
        return len(got.recipients) == RECIPIENTS

    def _hold(self, route: str, entry: int, fence: int) -> LeasedEntry | None:
        return queue.lease(
            self._tx,
            queue=entry,
            route=route,
            now=self._now,
            lease_until=self._lease_until,
            fence=fence,
            limit=RECIPIENTS,
        )

    def _in_trouble(self, route: str) -> bool:
        """Deal with a route in trouble; False when there is none."""
        trouble = self._troubles.pop(route, None)
        if trouble is None:
            return False
        self._closed.add(route)
        if trouble.until <= self._now and self._rooms.get(route, 1) > 0:
            self._probe(route, trouble.failures)
            trouble = msgspec.structs.replace(trouble, until=self._now + PROBE_MS)
        self._tell(trouble)
        self._put_off(trouble)
        return True

    def _probe(self, route: str, failures: int) -> None:
        for entry in queue_routes.due_on_route(self._tx, route=route, now=self._now, limit=1):
            if not queue_routes.begin_probe(
                self._tx, route=route, now=self._now, until=self._now + PROBE_MS
            ):
                return
            fence = self._tx.env.new_id()
            got = self._hold(route, entry, fence)
            if got is not None:
                self.leased.append(Leased(got, fence, route, failures=failures))

    def _tell(self, trouble: Trouble) -> None:
        """Lease those whose sender is to hear of the trouble; nothing is sent."""
        entries = queue_routes.overdue_on_route(
            self._tx,
            route=trouble.route,
            now=self._now,
            created_before=self._now - self._patience.give_up,
            untold=self._now - (self._patience.notice or self._patience.give_up),
            limit=SETTLED_EACH,
        )
        for entry in entries:
            fence = self._tx.env.new_id()
            got = self._hold(trouble.route, entry, fence)
            if got is not None:
                self.leased.append(Leased(got, fence, trouble.route, trouble))

    def _put_off(self, trouble: Trouble) -> None:
        until = max(trouble.until, self._now)
        dues = [until + int(SPREAD_MS * schedule.dice_of(self._tx.env)) for _ in range(PUT_OFF)]
        self.put_off += queue_routes.put_off(
            self._tx,
            route=trouble.route,
            now=self._now,
            dues=dues,
            created_after=self._now - self._patience.give_up,
            untold=self._now - (self._patience.notice or self._patience.give_up),
        )


@command
def renew(tx: Tx, *, held: list[tuple[int, int]], lease_ms: int) -> list[int]:
    """Hold leases, each (entry, fence), longer; returns the fences of those that are lost."""
    until = database_now(tx) + lease_ms
    return [
        fence
        for entry, fence in held
        if not queue.renew(tx, queue=entry, fence=fence, lease_until=until)
    ]

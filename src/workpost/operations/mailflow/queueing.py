"""Commands on the queue that are not deliveries: leasing and putting back.

Leases end by the database's clock, so that nodes with wrong clocks do not steal from each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.messages.transit import NewTransit, begin
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import queue, queue_routes, queue_turns
from workpost.store.tables.jobs import database_now
from workpost.store.tables.queue import LeasedEntry
from workpost.store.tables.queue_turns import Due

LOOK = 50
"""Due rows that one look sees."""


class Lease(msgspec.Struct, frozen=True):
    """Leased recipients and the fence that every write of the holder names."""

    leased: LeasedEntry
    fence: int


class Waiting(msgspec.Struct, frozen=True):
    """What a look at one route found."""

    due: list[Due]
    """Of all that wait, however much some have queued."""
    expired: int | None
    """An entry whose holder let the lease run out."""
    after: str
    """The flow after which the next look begins."""


def look_at(tx: Reader, *, route: str, after: str) -> Waiting:
    """See what is due on a route; `after` says where to begin (`Waiting.after`)."""
    now = database_now(tx)
    due, reached = queue_turns.due_in_turn_on_route(
        tx, route=route, now=now, after=after, limit=LOOK
    )
    return Waiting(due, queue.expired_entry(tx, route=route, now=now), reached)


@command
def lease_due(
    tx: Tx, *, route: str, entry: int, limit: int, lease_ms: int, fence: int
) -> Lease | None:
    """Lease due rows of an entry on a route; None when another runner was first."""
    now = database_now(tx)
    leased = queue.lease(
        tx,
        queue=entry,
        route=route,
        now=now,
        lease_until=now + lease_ms,
        fence=fence,
        limit=limit,
    )
    return Lease(leased, fence) if leased is not None else None


@command
def free_expired(tx: Tx, *, route: str) -> None:
    """Let rows of a route take their turn whose holder let the lease run out."""
    queue.free_expired(tx, route=route, now=database_now(tx), limit=LOOK)


@command
def postpone(
    tx: Tx, *, queue_id: int, fence: int, numbers: list[int], delay_ms: int, state: str
) -> None:
    """Put leased rows back to wait or to be held; those whose lease was lost are left alone."""
    covered = queue.still_leased(tx, queue=queue_id, fence=fence)
    queue.put_back(
        tx,
        queue=queue_id,
        numbers=[number for number in numbers if number in covered],
        state=state,
        due=database_now(tx) + delay_ms,
    )


# --- rows that wait for functions ---


@command
def put_off(
    tx: Tx, *, queue_id: int, fence: int, number: int, delay_ms: int, sealed: bytes, noticed: bool
) -> None:
    """Put a leased row back to wait, sealed with what came of it; nothing without the lease."""
    if number in queue.still_leased(tx, queue=queue_id, fence=fence):
        queue.put_later(
            tx,
            queue=queue_id,
            number=number,
            state=queue.WAITING,
            due=database_now(tx) + delay_ms,
            sealed=sealed,
            noticed=noticed,
        )


class Seen(msgspec.Struct, frozen=True):
    """What a look found: what is due, where the next look begins, whether leases ran out.

    `rest_ms` is when the next row becomes due; None: nothing waits for that.
    """

    due: list[Due]
    after: str
    expired: bool
    rest_ms: int | None


def look_functions(tx: Reader, *, busy: Sequence[str], after: str, limit: int) -> Seen:
    """See which rows are due for functions, on no `busy` route; `after` as in `Seen`."""
    now = database_now(tx)
    due, reached = queue_turns.due_in_turn(
        tx, now=now, busy=busy, after=after, limit=limit, functions=True
    )
    coming = queue_routes.next_for_functions(tx, now=now)
    expired = queue_routes.has_expired(tx, now=now, functions=True)
    return Seen(due, reached, expired, None if coming is None else coming - now)


@command
def release_expired(tx: Tx, *, limit: int) -> int:
    """Let rows for functions be due whose holder let the lease run out; returns how many."""
    now = database_now(tx)
    return queue_routes.release_expired(tx, now=now, limit=limit, functions=True)


@command
def lease_each(tx: Tx, *, wanted: list[tuple[str, int]], lease_ms: int) -> list[Lease]:
    """Lease a row of each (route, entry), as far as nobody was first."""
    now = database_now(tx)
    leases = []
    for route, entry in wanted:
        fence = tx.env.new_id()
        leased = queue.lease(
            tx,
            queue=entry,
            route=route,
            now=now,
            lease_until=now + lease_ms,
            fence=fence,
            limit=1,
        )
        if leased is not None:
            leases.append(Lease(leased, fence))
    return leases


@command
def begin_attempt(tx: Tx, *, queue_id: int, transit: NewTransit) -> bool:
    """Let a leased message be read and replaced by its function; False when the lease was lost."""
    if not queue.still_leased(tx, queue=queue_id, fence=transit.fence):
        return False
    begin(tx, transit=transit)
    return True


@command
def renew(tx: Tx, *, held: list[tuple[int, int]], lease_ms: int) -> None:
    """Hold leases, each (entry, fence), longer."""
    until = database_now(tx) + lease_ms
    for entry, fence in held:
        queue.renew(tx, queue=entry, fence=fence, lease_until=until)


@command
def give_back(tx: Tx, *, queue_id: int, fence: int, number: int) -> None:
    """Let a leased row be due as if it had not been tried."""
    if number in queue.still_leased(tx, queue=queue_id, fence=fence):
        queue.uncount(tx, queue=queue_id, numbers=[number])
        queue.put_back(
            tx, queue=queue_id, numbers=[number], state=queue.WAITING, due=database_now(tx)
        )
        tx.announce(queue.HINTS, queue.FUNCTIONS)

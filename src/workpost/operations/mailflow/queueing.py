"""Commands on the queue that are not deliveries: leasing and putting back.

Leases end by the database's clock, so that nodes with wrong clocks do not steal from each other.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import queue, queue_turns
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

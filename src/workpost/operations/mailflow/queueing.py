"""Commands on the queue that are not deliveries: leasing and putting back.

Leases end by the database's clock, so that nodes with wrong clocks do not steal from each other.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Tx, command
from workpost.store.tables import queue
from workpost.store.tables.jobs import database_now
from workpost.store.tables.queue import LeasedEntry


class Lease(msgspec.Struct, frozen=True):
    """Leased recipients and the fence that every write of the holder names."""

    leased: LeasedEntry
    fence: int


@command
def lease_due(tx: Tx, *, route: str, limit: int, lease_ms: int, fence: int) -> Lease | None:
    """Lease the most overdue rows of one entry on a route; None when nothing is due."""
    now = database_now(tx)
    found = queue.due_entry(tx, route=route, now=now)
    if found is None:
        return None
    leased = queue.lease(
        tx,
        queue=found,
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

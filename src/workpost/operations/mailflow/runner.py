"""The runner of the local queue: recipients of large groups, and mailboxes that were full.

Leases one row (at most 100 recipients), opens the message, and settles that row in one transaction
(invariant 3, `settling.py`). The lease is renewed meanwhile; that of a runner that died runs out
after `queue.lease_seconds`, and its fence no longer fits, so nothing is delivered twice.
"""

from __future__ import annotations

import asyncio

from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Settlement
from workpost.kernel.errors import Busy, Fault, KeyDestroyed, TryLater, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.waiting import happened
from workpost.operations.mailflow.queueing import (
    Lease,
    free_expired,
    lease_due,
    look_at,
    postpone,
)
from workpost.operations.mailflow.renewing import Held, keep_renewing, lease_ms_of
from workpost.operations.mailflow.settling import GIVE_UP_MS, open_leased, settle
from workpost.operations.mailflow.turns import Turns
from workpost.store.core import Core
from workpost.store.tables.queue import HELD, HINTS, WAITING
from workpost.store.tables.queue_kinds import LOCAL

IDLE_SECONDS = 5.0
FIRST_DELAY_MS = 60_000
LAST_DELAY_MS = 3_600_000
"""Wait after the first time a row does not open; doubled each time up to the last."""

log = logger("mailflow")


class LocalRunner:
    """Delivers what waits for local mailboxes; one per process, woken by hints of the queue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wake = asyncio.Event()
        self._turns = Turns()
        self._held: set[Held] = set()

    async def run(self) -> None:
        """Run until cancelled."""
        watch = self._core.store.watch(HINTS, "", lambda _: self._wake.set())
        lease_ms = lease_ms_of(self._core)
        renewing = asyncio.create_task(keep_renewing(self._core, lambda: self._held, lease_ms))
        try:
            while True:
                self._wake.clear()
                try:
                    worked = await deliver_one(self._core, self._turns, self._held)
                except WorkpostError as error:
                    log.warning("local delivery is delayed", error=str(error))
                    worked = False
                if not worked:
                    await self._rest()
        finally:
            watch.close()
            renewing.cancel()

    async def _rest(self) -> None:
        await happened(self._wake, IDLE_SECONDS)


async def deliver_one(
    core: Core, turns: Turns | None = None, held: set[Held] | None = None
) -> bool:
    """Lease and settle one row; False when nothing is due.

    `turns` says whose turn it is; the lease is in `held` while it is worked under.
    """
    turns = turns or Turns()
    seen = await core.store.read(look_at, route=LOCAL, after=turns.after())
    turns.go_on("", seen.after)
    first = next(iter(turns.order(seen.due)), None)
    if first is not None and seen.expired is not None:
        # However much is due, what a runner that died had in hand does not wait for the end of it.
        await core.store.write_background(free_expired, route=LOCAL)
    entry = seen.expired if first is None else first.entry
    if entry is None:
        return False
    lease = await core.store.write_background(
        lease_due,
        route=LOCAL,
        entry=entry,
        limit=1,
        lease_ms=lease_ms_of(core),
        fence=core.env.new_id(),
    )
    if lease is None:
        # Another runner was first.
        return True
    if first is not None:
        turns.serve(first)
    working = held if held is not None else set()
    working.add((lease.leased.id, lease.fence))
    try:
        await _settle(core, lease)
    finally:
        working.discard((lease.leased.id, lease.fence))
    return True


async def _settle(core: Core, lease: Lease) -> None:
    try:
        await settle(core, await open_leased(core, lease))
    except KeyDestroyed as error:
        await end_destroyed(core, lease, error)
    except Busy as error:
        # The scripts of one organization take too long: others do not wait for that.
        await put_off(core, lease, error)
    except TryLater:
        raise
    except WorkpostError as error:
        await put_off(core, lease, error)
    except Exception as error:
        # One row that we cannot bear must not stop the mail of everybody else, again and again.
        log.exception("local delivery failed inside", queue=lease.leased.id)
        await put_off(core, lease, Fault(type(error).__name__))


async def end_destroyed(core: Core, lease: Lease, error: KeyDestroyed) -> None:
    """End a row whose organization's keys are destroyed: no event of it could be read, either."""
    for number, _, _ in lease.leased.recipients:
        ended = Settlement(queue=lease.leased.id, number=number, fence=lease.fence)
        await core.store.write_background(delivery.settle_queued, settlement=ended)
    log.warning(
        "queued mail went with its organization", queue=lease.leased.id, error=error.message
    )


async def put_off(core: Core, lease: Lease, error: WorkpostError) -> None:
    """Come back later to a row that fails; after a day it is the operator's.

    What fails for a time only is never his.
    """
    late = core.env.now() - lease.leased.since >= GIVE_UP_MS
    held = late and not isinstance(error, TryLater)
    attempts = min(attempt for _, attempt, _ in lease.leased.recipients)
    await core.store.write_background(
        postpone,
        queue_id=lease.leased.id,
        fence=lease.fence,
        numbers=[number for number, _, _ in lease.leased.recipients],
        delay_ms=min(FIRST_DELAY_MS << min(attempts, 10), LAST_DELAY_MS),
        state=HELD if held else WAITING,
    )
    log.error("queued mail does not open", queue=lease.leased.id, held=held, error=error.message)

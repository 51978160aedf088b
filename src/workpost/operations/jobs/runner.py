"""The runner of durable jobs: leases what is due, one at a time, and calls its handler.

A handler works in slices, each of which checks the lease and holds it longer; it ends the job with
its last one. A process that dies leaves a lease that runs out, and the next holder goes on from the
job's cursor. Every node may run this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from workpost.kernel.errors import Conflict, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.waiting import happened
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import jobs
from workpost.store.tables.jobs import KIND, Lease

Handler = Callable[[Core, Lease], Awaitable[None]]
Scheduler = Callable[[Core], Awaitable[None]]

LEASE_MS = 20_000
RETRY_MS = 30_000
IDLE_SECONDS = 10.0
"""How long to sleep when no hint wakes the runner: leases of the dead are found then."""
SCHEDULE_SECONDS = 60.0

log = logger("jobs")


class JobRunner:
    """Works on the jobs that it has handlers for; one per process, woken by hints.

    `every` so many seconds the schedulers make jobs of what became due.
    """

    def __init__(
        self,
        core: Core,
        handlers: Mapping[str, Handler],
        schedulers: tuple[Scheduler, ...] = (),
        every: float = SCHEDULE_SECONDS,
    ) -> None:
        self._core = core
        self._handlers = handlers
        self._schedulers = schedulers
        self._every = every
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        hear: Callable[[int], None] = lambda _: self._wake.set()  # noqa: E731
        watches = [self._core.store.watch(KIND, kind, hear) for kind in self._handlers]
        scheduled = -self._every
        try:
            while True:
                self._wake.clear()
                try:
                    if self._core.env.monotonic() - scheduled >= self._every:
                        scheduled = self._core.env.monotonic()
                        await self.schedule()
                    worked = await self.work_one()
                except WorkpostError as error:
                    log.warning("jobs are delayed", error=str(error))
                    worked = False
                if not worked:
                    await self._rest()
        finally:
            for watch in watches:
                watch.close()

    async def _rest(self) -> None:
        await happened(self._wake, min(IDLE_SECONDS, self._every))

    async def schedule(self) -> None:
        """Make jobs of what became due by itself."""
        for schedule in self._schedulers:
            await schedule(self._core)

    async def run_due(self) -> int:
        """Schedule, then work until nothing is due; returns how many jobs were worked on."""
        await self.schedule()
        count = 0
        while await self.work_one():
            count += 1
        return count

    async def work_one(self) -> bool:
        """Lease one job and let its handler work on it; False when nothing is due."""
        leases = await self._core.store.write_background(
            lease_due, kinds=list(self._handlers), lease_ms=LEASE_MS
        )
        for lease in leases:
            await self._work(lease)
        return bool(leases)

    async def _work(self, lease: Lease) -> None:
        try:
            await self._handlers[lease.kind](self._core, lease)
        except Conflict:
            log.warning("a job was taken over", kind=lease.kind, job=lease.id)
        except Exception as error:
            log.warning("a job is put off", kind=lease.kind, job=lease.id, exc_info=error)
            await self._put_off(lease)

    async def _put_off(self, lease: Lease) -> None:
        due = self._core.env.now() + RETRY_MS
        try:
            await self._core.store.write_background(put_back, lease=lease, due=due)
        except Conflict:
            return


@command
def lease_due(tx: Tx, *, kinds: list[str], lease_ms: int) -> list[Lease]:
    """Lease the job that has been due the longest."""
    return jobs.lease_jobs(tx, kinds=kinds, now=tx.env.now(), limit=1, lease_ms=lease_ms)


@command
def put_back(tx: Tx, *, lease: Lease, due: int) -> None:
    """Give a job back, to go on at `due`. Raises Conflict when the lease is lost."""
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=due)


@command
def finish(tx: Tx, *, lease: Lease) -> None:
    """End a job that needs no more work. Raises Conflict when the lease is lost."""
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)

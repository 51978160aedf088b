"""The runner of what waits for functions of Run Lambda rules.

Every process with the role `jobs` has one. It invokes several functions at once, of one
organization's function a few, so that a slow one keeps the mail of no other; organizations take
turns. A lease is
renewed while its function runs; a runner that dies is replaced when its leases run out, and its
fence no longer fits: a function may run twice for a message, with the same invocationId, and nobody
gets the message twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from workpost.kernel import metrics
from workpost.kernel.errors import Fault, KeyDestroyed, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.waiting import happened
from workpost.operations.mailflow.attempting import attempt
from workpost.operations.mailflow.queueing import (
    Lease,
    give_back,
    lease_each,
    look_functions,
    release_expired,
)
from workpost.operations.mailflow.renewing import Held, keep_renewing, lease_ms_of
from workpost.operations.mailflow.runner import end_destroyed, put_off
from workpost.operations.mailflow.turns import Turns
from workpost.store.core import Core
from workpost.store.tables.queue import FUNCTIONS, HINTS

IDLE_SECONDS = 5.0
TROUBLE_SECONDS = 1.0
DRAIN_SECONDS = 5.0
"""What is under way may take so long to end when the process stops."""
LOOK = 200
"""Due rows that one look sees."""
SLOW_SECONDS = 2.0
"""An invocation that takes longer waits more than it works, and takes no place from others."""
MOST = 400
"""Invocations of a process, slow ones included; no organization has more than are left."""

UNDER_WAY = metrics.gauge("workpost_rule_functions", "Functions of rules that run.")

log = logger("mailflow")


class RuleRunner:
    """Has functions answer for what waits for them; woken by hints of the queue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wake = asyncio.Event()
        self._lease_ms = lease_ms_of(core)
        self._turns = Turns()
        self._running: dict[asyncio.Task[None], tuple[Lease, str, float]] = {}

    async def run(self) -> None:
        """Run until cancelled; then what is under way ends, or is given back."""
        watch = self._core.store.watch(HINTS, FUNCTIONS, lambda _: self._wake.set())
        renewing = asyncio.create_task(keep_renewing(self._core, self._held, self._lease_ms))
        try:
            while True:
                self._wake.clear()
                try:
                    rest = await self.step()
                except WorkpostError as error:
                    log.warning("functions are not invoked now", error=str(error))
                    rest = TROUBLE_SECONDS
                await self._rest(rest)
        finally:
            watch.close()
            await self._drain()
            renewing.cancel()

    def _held(self) -> list[Held]:
        return [(lease.leased.id, lease.fence) for lease, *_ in self._running.values()]

    async def step(self) -> float:
        """Begin what is due as far as there is room; returns seconds until the next look."""
        settings = self._core.settings.mailflow
        now = self._core.env.monotonic()
        slow = sum(1 for *_, began in self._running.values() if now - began > SLOW_SECONDS)
        room = min(settings.functions - len(self._running) + slow, MOST - len(self._running))
        if room <= 0:
            return SLOW_SECONDS / 2
        routes = Counter(route for _, route, _ in self._running.values())
        busy = [one for one, count in routes.items() if count >= settings.functions_each]
        seen = await self._core.store.read(
            look_functions, busy=busy, after=self._turns.after(), limit=LOOK
        )
        self._turns.go_on("", seen.after)
        if seen.expired:
            await self._core.store.write_background(release_expired, limit=LOOK)
        # Functions that hang for a quarter of an hour must not keep all other mail as long: of
        # what is free an organization takes at most half, however many functions it has.
        owners = Counter(lease.leased.org for lease, *_ in self._running.values())
        wanted: list[tuple[str, int]] = []
        for due in self._turns.order(seen.due):
            free = MOST - len(self._running) - len(wanted)
            if (
                len(wanted) < room
                and routes[due.route] < settings.functions_each
                and owners[due.organization] < free
            ):
                routes[due.route] += 1
                owners[due.organization] += 1
                wanted.append((due.route, due.entry))
                self._turns.serve(due)
        if wanted:
            leases = await self._core.store.write_background(
                lease_each, wanted=wanted, lease_ms=self._lease_ms
            )
            routes_of = {entry: route for route, entry in wanted}
            for lease in leases:
                self._begin(lease, routes_of[lease.leased.id])
            # What comes after these may have room, too.
            return 0.0 if leases and len(seen.due) > len(wanted) else self._pause(seen.rest_ms)
        return 0.0 if seen.expired else self._pause(seen.rest_ms)

    def _pause(self, rest_ms: int | None) -> float:
        return IDLE_SECONDS if rest_ms is None else min(IDLE_SECONDS, rest_ms / 1000 + 0.001)

    @property
    def busy(self) -> bool:
        """Whether functions run."""
        return bool(self._running)

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._running:
            await asyncio.wait(self._running)

    def _begin(self, lease: Lease, route: str) -> None:
        task = asyncio.create_task(self._attempt(lease))
        self._running[task] = lease, route, self._core.env.monotonic()
        UNDER_WAY.set(len(self._running))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        UNDER_WAY.set(len(self._running))
        self._wake.set()

    async def _attempt(self, lease: Lease) -> None:
        try:
            await attempt(self._core, lease)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(lease))
            raise
        except KeyDestroyed as error:
            # Other organizations' keys may be gone as well: their mail does not take this along.
            if await self._is_gone(lease):
                await end_destroyed(self._core, lease, error)
            else:
                await put_off(self._core, lease, error)
        except WorkpostError as error:
            await put_off(self._core, lease, error)
        except Exception:
            log.exception("a message that waits for a function fails", queue=lease.leased.id)
            await put_off(self._core, lease, Fault("nobody has foreseen what happened"))

    async def _is_gone(self, lease: Lease) -> bool:
        try:
            await self._core.keys.organization(lease.leased.org, lease.leased.gen)
        except KeyDestroyed:
            return True
        return False

    async def _give_back(self, lease: Lease) -> None:
        for number, _, _ in lease.leased.recipients:
            await self._core.store.write_background(
                give_back, queue_id=lease.leased.id, fence=lease.fence, number=number
            )

    async def _rest(self, seconds: float) -> None:
        if seconds:
            await happened(self._wake, seconds)

    async def _drain(self) -> None:
        if not self._running:
            return
        tasks = list(self._running)
        _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

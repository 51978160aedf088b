"""The runner of outbound mail: takes what is due, keeps many deliveries under way, renews leases.

Every process with the role `jobs` has one, on as many nodes as there are. A lease is renewed
four times before it would end, while its delivery goes on; a runner that dies is replaced when its
leases run out. A runner that cannot renew calls its attempts off before they do, so that no message
goes out twice; and whoever has just lost sight of the database takes nothing over for a while, so
that those who finished their work meanwhile can write it down first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from workpost.integrations.smtp.base import Outcome
from workpost.kernel import metrics
from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.waiting import happened
from workpost.operations.mailflow.turns import Turns
from workpost.operations.outbound import schedule
from workpost.operations.outbound.budget import Budget
from workpost.operations.outbound.delivering import Delivery, Sender
from workpost.operations.outbound.ending import Closing
from workpost.operations.outbound.leasing import Leased, look, release_expired, renew, take_due
from workpost.operations.outbound.pacing import Feedback, Pacing
from workpost.operations.outbound.preparing import Signer
from workpost.operations.outbound.settling import patience_of
from workpost.store.core import Core
from workpost.store.tables import queue_orders
from workpost.store.tables.queue import HINTS
from workpost.store.tables.queue_kinds import gateway_of

RENEW_AGAIN_SECONDS = 1.0
IDLE_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.25
FINISH_SECONDS = 2.0
"""What is under way may go so far when the process stops: then no more messages are sent whole."""
END_SECONDS = 1.0
"""So long for what was called off to be given back."""
MEMORY = 256 * 1024 * 1024
"""Bytes of messages that one process has in its hands."""
COUNT_SECONDS = 60.0
SLOW_SECONDS = 30.0
"""A delivery that takes longer waits for its server more than it works."""
SLOW = 400
"""So many slow deliveries take no place from others: servers that are slow on purpose would else
need no more than `queue.deliveries` messages to stop all mail."""
TOO_BUSY = 421
"""The reply of a server that has too much to do (RFC 5321 4.2.2)."""

RECIPIENTS = metrics.counter(
    "workpost_outbound_recipients_total", "Recipients tried, by what came of it.", "outcome"
)
UNDER_WAY = metrics.gauge("workpost_outbound_deliveries", "Deliveries under way.")
SECONDS = metrics.histogram(
    "workpost_outbound_delivery_seconds",
    "Time from lease to end of a delivery.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
PUT_OFF = metrics.counter(
    "workpost_outbound_put_off_total", "Rows put off because their destination is not reached."
)
CLOSED = metrics.counter(
    "workpost_outbound_destinations_closed_total", "Times that a destination was found unreachable."
)
LOST = metrics.counter("workpost_outbound_leases_lost_total", "Leases that ran out under work.")
ROWS = metrics.gauge("workpost_queue_rows", "Rows of the queue.", "state", mode="mostrecent")
OLDEST = metrics.gauge(
    "workpost_queue_oldest_seconds", "Age of the oldest message in the queue.", mode="mostrecent"
)

log = logger("outbound")


class OutboundRunner:
    """Delivers what waits for other servers; one per process, woken by hints of the queue."""

    def __init__(self, core: Core, sender: Sender, sign: Signer) -> None:
        self._core = core
        self._sender = sender
        self._sign = sign
        self._pacing = Pacing(core.settings.queue.deliveries_each)
        self._turns = Turns()
        self._budget = Budget(MEMORY)
        self._wake = asyncio.Event()
        self._freed: set[str] = set()
        """Destinations of deliveries that ended since the last look."""
        self._look_again = 0.0
        self._held: dict[int, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._healthy_since = core.env.monotonic()
        self._renewed = core.env.monotonic()
        self.lease = float(core.settings.queue.lease_seconds)
        self.renew_every = self.lease / 4
        self.margin = self.lease / 6
        """So long before leases end that could not be renewed, attempts are called off."""
        self.healthy_for = self.lease / 3
        """How long the database must have answered before leases of others are taken over."""

    async def run(self) -> None:
        """Run until cancelled; then what is under way ends, or is given back."""
        watch = self._core.store.watch(HINTS, "", lambda _: self._wake.set())
        chores = [asyncio.create_task(self._renew()), asyncio.create_task(self._count())]
        try:
            while True:
                self._wake.clear()
                rest = await self.step()
                if rest:
                    await self._rest(rest)
        finally:
            watch.close()
            await self._drain()
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await self._sender.close()

    async def step(self) -> float:
        """Begin what may begin; returns the seconds to rest, 0 when there may be more."""
        most = self._core.settings.queue.deliveries - len(self._tasks) + self._slow()
        if most <= 0:
            return IDLE_SECONDS
        try:
            return await self._take(most)
        except WorkpostError as error:
            self._unwell(error)
            return IDLE_SECONDS

    def _slow(self) -> int:
        since = self._core.env.monotonic() - SLOW_SECONDS
        return min(SLOW, sum(each.began < since for each in self._held.values()))

    async def _take(self, most: int) -> float:
        rooms = self._pacing.rooms()
        busy = [route for route, room in rooms.items() if room <= 0]
        freed, self._freed = self._freed, set()
        now = self._core.env.monotonic()
        # Seeing past all that waits for busy destinations has its price: not after each delivery.
        only = sorted(freed.difference(busy)) if busy and now < self._look_again else None
        after = {route: self._turns.after(route) for route in ("", *(only or ()))}
        seen = await self._core.store.read(look, busy=busy, only=only, after=after)
        for route, flow in seen.after.items():
            self._turns.go_on(route, flow)
        if seen.expired and now - self._healthy_since >= self.healthy_for:
            released = await self._core.store.write_background(release_expired)
            if released:
                return 0
        if not seen.due:
            if busy and only is None:
                self._look_again = now + LOOK_AGAIN_SECONDS
            pause = LOOK_AGAIN_SECONDS if busy else IDLE_SECONDS
            return pause if seen.rest_ms is None else min(pause, seen.rest_ms / 1000)
        taken = await self._core.store.write_background(
            take_due,
            due=self._turns.order(seen.due),
            rooms=rooms,
            first=self._pacing.first,
            most=most,
            patience=patience_of(self._core),
            lease_ms=int(self.lease * 1000),
        )
        for leased in taken.leased:
            self._begin(leased)
        if taken.put_off:
            PUT_OFF.inc(taken.put_off)
        # What was due and is gone was taken by another runner.
        return 0

    async def idle(self) -> None:
        """Work until nothing is due and nothing under way, for tools and tests."""
        while await self.step() == 0 or self._tasks:
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _begin(self, leased: Leased) -> None:
        delivery = Delivery(self._core, self._sender, self._sign, self._budget, leased)
        if not self._held:
            self._renewed = self._core.env.monotonic()
        self._held[leased.fence] = delivery
        self._pacing.begin(leased.route)
        if leased.due is not None:
            self._turns.serve(leased.due)
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._wake.set())

    async def _deliver(self, delivery: Delivery) -> None:
        leased, learnt = delivery.leased, False
        UNDER_WAY.inc()

        def learn(outcomes: list[Outcome]) -> tuple[Closing | None, bool]:
            nonlocal learnt
            learnt = True
            return self._learn(leased, outcomes)

        try:
            await delivery.run(learn)
        finally:
            UNDER_WAY.dec()
            SECONDS.observe(self._core.env.monotonic() - delivery.began)
            self._held.pop(leased.fence, None)
            self._freed.add(leased.route)
            if not learnt:
                self._pacing.end(leased.route, "none")

    def _learn(self, leased: Leased, outcomes: list[Outcome]) -> tuple[Closing | None, bool]:
        for outcome in outcomes:
            RECIPIENTS.labels(outcome.state).inc()
        feedback = feedback_of(outcomes)
        close = self._pacing.end(leased.route, feedback)
        if leased.failures and feedback in {"good", "slow"}:
            self._pacing.reopen(leased.route)
            return None, True
        if not close and not (leased.failures and feedback == "bad"):
            return None, False
        if gateway_of(leased.route):
            # Mail through a gateway that is away does not wait: it goes back after minutes.
            return None, False
        self._pacing.close(leased.route)
        CLOSED.inc()
        worst = next(one for one in outcomes if not one.reached)
        failures = leased.failures + 1
        delay = schedule.probe_delay(failures, schedule.dice_of(self._core.env))
        return Closing(failures, delay, worst.status, worst.text), False

    # --- leases ---

    async def _renew(self) -> None:
        """Hold the leases of what is under way; call attempts off whose lease is or may be lost."""
        while True:
            pause = self.renew_every
            if self._held:
                pause = await self._renew_once()
            await asyncio.sleep(pause)

    async def _renew_once(self) -> float:
        began = self._core.env.monotonic()
        held = [(each.leased.entry.id, fence) for fence, each in self._held.items()]
        try:
            renewing = self._core.store.write(renew, held=held, lease_ms=int(self.lease * 1000))
            lost = await asyncio.wait_for(renewing, self.renew_every)
        except Exception as error:
            # Whatever it is: who stopped renewing here would go on sending what others take over.
            if not isinstance(error, WorkpostError | TimeoutError):
                log.exception("renewing leases failed inside")
            self._unwell(error)
            left = self.lease - (self._core.env.monotonic() - self._renewed)
            if left < self.margin:
                self._call_off(list(self._held))
            return RENEW_AGAIN_SECONDS
        self._renewed = began
        self._call_off(lost)
        return self.renew_every

    def _call_off(self, fences: Sequence[int]) -> None:
        for fence in fences:
            delivery = self._held.get(fence)
            if delivery is not None and delivery.call_off():
                LOST.inc()
                log.warning("a lease is lost under work", queue=delivery.leased.entry.id)

    def _unwell(self, error: BaseException) -> None:
        log.warning("outbound mail is delayed", error=str(error))
        self._healthy_since = self._core.env.monotonic()

    # --- rest and end ---

    async def _rest(self, seconds: float) -> None:
        await happened(self._wake, max(seconds, 0.01))

    async def _drain(self) -> None:
        if not self._tasks:
            return
        most = float(self._core.settings.queue.reply_seconds)
        finish = min(FINISH_SECONDS, most)
        await asyncio.wait(self._tasks, timeout=finish)
        for delivery in self._held.values():
            if not delivery.awaits_reply:
                delivery.call_off()
        if self._tasks:
            # A server that scans after the final dot would get the message again.
            await asyncio.wait(self._tasks, timeout=most - finish)
        for delivery in self._held.values():
            if delivery.awaits_reply:
                log.warning("a message may arrive twice", queue=delivery.leased.entry.id)
            delivery.call_off()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)
        for task in self._tasks:
            task.cancel()

    async def _count(self) -> None:
        while True:
            try:
                states = await self._core.store.read(queue_orders.count_states)
                oldest = await self._core.store.read(
                    queue_orders.oldest_entry, now=self._core.env.now()
                )
            except WorkpostError as error:
                log.warning("the queue could not be counted", error=str(error))
            else:
                for state in ("waiting", "leased", "held"):
                    ROWS.labels(state).set(states.get(state, 0))
                OLDEST.set(0 if oldest is None else (self._core.env.now() - oldest) / 1000)
            await asyncio.sleep(COUNT_SECONDS)


def feedback_of(outcomes: Sequence[Outcome]) -> Feedback:
    """What an attempt tells of its destination as a whole."""
    if not outcomes:
        return "none"
    if all(one.state == "deferred" and not one.reached for one in outcomes):
        return "bad"
    if all(one.state == "deferred" and one.code == TOO_BUSY for one in outcomes):
        return "slow"
    return "good" if any(one.reached for one in outcomes) else "none"

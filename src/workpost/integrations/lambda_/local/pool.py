"""The warm workers of one callable for one account, in one process.

A worker takes one event after another, and another worker is started while all are busy and
fewer run than may. Accounts never share one: what a function keeps between two events is one
tenant's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from workpost.integrations.lambda_.base import FunctionFailed, Invocation, Trouble
from workpost.integrations.lambda_.local.spec import Spec
from workpost.integrations.lambda_.local.worker import Worker

OLDEST_SECONDS = 1800.0
"""Age after which a worker gets no further event; its credentials are good for longer."""
MOST_EVENTS = 10_000
IDLE_SECONDS = 600.0
INIT_SECONDS = 10.0
"""For a handler to load, as Lambda has it."""


class Plan(msgspec.Struct, frozen=True):
    """How to start one worker, and the log stream that is its own."""

    spec: Spec
    stream: str


class Ran(msgspec.Struct):
    """What is known of an invocation, whether it succeeded or not."""

    stream: str = ""
    memory: int = 0
    """Bytes that the worker has used at most, so far, as it says itself."""
    starting: float = 0.0
    """Seconds that it took to start a worker; 0: one was warm."""
    running: float = 0.0
    """Seconds."""


class _Warm:
    def __init__(self, worker: Worker, stream: str, now: float) -> None:
        self.worker = worker
        self.stream = stream
        self.began = now
        self.used = now
        self.events = 0


class Pool:
    """Use `invoke`; `close` ends all workers."""

    def __init__(self, most: int, plan: Callable[[], Awaitable[Plan]]) -> None:
        self._plan = plan
        self._room = asyncio.Semaphore(most)
        self._idle: list[_Warm] = []
        self._closed = False
        self._ending: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._now = asyncio.get_running_loop().time

    async def invoke(self, invocation: Invocation, ran: Ran) -> bytes:
        """Invoke the function, waiting for a worker if need be; fills `ran` in.

        All takes at most `invocation.seconds`. Raises FunctionFailed.
        """
        deadline = self._now() + invocation.seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._room.acquire()
        except TimeoutError:
            raise FunctionFailed(Trouble.BUSY, "all that may run at once are running") from None
        try:
            return await self._run(invocation, deadline, ran)
        finally:
            self._room.release()

    async def _run(self, invocation: Invocation, deadline: float, ran: Ran) -> bytes:
        warm = self._take_idle() or await self._start(invocation, deadline, ran)
        ran.stream = warm.stream
        warm.events += 1
        began = self._now()
        try:
            return await warm.worker.call(invocation, max(0.0, deadline - began))
        finally:
            warm.used = self._now()
            ran.running = warm.used - began
            ran.memory = warm.worker.peak
            self._give_back(warm)

    async def _start(self, invocation: Invocation, deadline: float, ran: Ran) -> _Warm:
        began = self._now()
        plan = await self._plan()
        ran.stream = plan.stream
        try:
            left = max(0.0, min(INIT_SECONDS, deadline - self._now()))
            worker = await Worker.start(plan.spec, invocation.heard, left)
        finally:
            ran.starting = self._now() - began
        return _Warm(worker, plan.stream, self._now())

    def _take_idle(self) -> _Warm | None:
        while self._idle:
            warm = self._idle.pop()
            if warm.worker.alive and self._is_fresh(warm):
                return warm
            self._end(warm)
        return None

    def _is_fresh(self, warm: _Warm) -> bool:
        return self._now() - warm.began < OLDEST_SECONDS and warm.events < MOST_EVENTS

    def _give_back(self, warm: _Warm) -> None:
        if self._closed or not warm.worker.alive or not self._is_fresh(warm):
            self._end(warm)
            return
        self._idle.append(warm)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """End those that nobody has needed for a while."""
        self._timer = None
        oldest = self._now() - IDLE_SECONDS
        for warm in [each for each in self._idle if each.used <= oldest]:
            self._idle.remove(warm)
            self._end(warm)
        if self._idle:
            wait = min(each.used for each in self._idle) - oldest
            self._timer = asyncio.get_running_loop().call_later(wait, self._sweep)

    def _end(self, warm: _Warm) -> None:
        task = asyncio.create_task(warm.worker.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all workers; those that are busy end with their event."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._end(self._idle.pop())
        await asyncio.gather(*self._ending, return_exceptions=True)

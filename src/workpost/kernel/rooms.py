"""Rooms: work that takes memory or threads, bounded for the process and for each tenant.

`ROOMS = Rooms("sieve", most=4, each=2, full="...")` at the top of the module whose work it is; then
for each piece of work

    async with ROOMS.enter(tenant, seconds) as room:
        result = await room.run(blocking, argument)

- At most `most` are inside at once, and `each` of one tenant: who dawdles leaves room for others.
- Whoever is inside has a thread at once. The threads are these rooms' own: work that hangs keeps
  none of those that read and write mail.
- The wait for room is bounded by `seconds`, the work is not: no thread can be ended from outside,
  so what runs there has bounds of its own (time limits of a client, a watch). Who gives it up
  earlier (a cancelled task, a timeout around it) goes on at once; the thread runs to the work's
  end, its result is dropped, and only then others have the room.
- `workpost_rooms_taken`, `workpost_rooms_full_total` and `workpost_rooms_overrun_total` tell of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from workpost.kernel.errors import Busy
from workpost.kernel.metrics import counter, gauge

P = ParamSpec("P")
T = TypeVar("T")

TAKEN = gauge("workpost_rooms_taken", "Pieces of work inside.", "rooms")
FULL = counter("workpost_rooms_full_total", "Pieces of work that waited in vain.", "rooms")
OVERRUN = counter(
    "workpost_rooms_overrun_total", "Pieces of work that went on when nobody waited.", "rooms"
)


class _Gates:
    """Who is inside and who waits, of one event loop; tenants are forgotten with the last."""

    def __init__(self, most: int) -> None:
        self.all = asyncio.Semaphore(most)
        self.theirs: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()


class Room:
    """Room for one piece of work at a time; one that was given up counts until it ends."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.running: set[Future[Any]] = set()
        """Work that goes on, whether somebody waits for it or not."""

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have blocking work done on a thread; raises what it raises."""
        running = self._threads.submit(partial(work, *args, **kwargs))
        self.running.add(running)
        # Not only the last counts: work that was given up before goes on beside it.
        running.add_done_callback(self.running.discard)
        return await asyncio.wrap_future(running)


class Rooms:
    """Room for `most` at once, `each` of one tenant; threads and metrics bear `name`."""

    def __init__(self, name: str, most: int, each: int, full: str) -> None:
        self._most = most
        self._each = each
        self._full = full
        self._threads = ThreadPoolExecutor(most, name)
        # A process has one loop, tests have many.
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gates] = WeakKeyDictionary()
        self._taken = TAKEN.labels(name)
        self._refused = FULL.labels(name)
        self._overrun = OVERRUN.labels(name)

    @asynccontextmanager
    async def enter(self, tenant: str, seconds: float | None) -> AsyncIterator[Room]:
        """Have room for one. Raises Busy, with the text `full`, if none is free in `seconds`.

        Without `seconds` a timeout around it bounds the wait.
        """
        loop = asyncio.get_running_loop()
        gates = self._gates.get(loop)
        if gates is None:
            gates = self._gates[loop] = _Gates(self._most)
        theirs = gates.theirs.get(tenant)
        if theirs is None:
            theirs = gates.theirs[tenant] = asyncio.Semaphore(self._each)
        try:
            async with asyncio.timeout(seconds):
                await _acquire(theirs, gates.all)
        except TimeoutError:
            self._refused.inc()
            raise Busy(self._full) from None
        self._taken.inc()
        room = Room(self._threads)
        leave = partial(self._leave, theirs, gates.all)
        try:
            yield room
        finally:
            going_on = {each for each in room.running.copy() if not each.done()}
            self._overrun.inc(len(going_on))
            _when_done(going_on, loop, leave)

    def _leave(self, *gates: asyncio.Semaphore) -> None:
        for gate in gates:
            gate.release()
        self._taken.dec()


async def _acquire(first: asyncio.Semaphore, second: asyncio.Semaphore) -> None:
    await first.acquire()
    try:
        await second.acquire()
    except BaseException:
        first.release()
        raise


def _when_done(
    works: set[Future[Any]], loop: asyncio.AbstractEventLoop, callback: Callable[[], None]
) -> None:
    """Call back, on the loop, when the last of them is done; at once if none goes on."""
    if not works:
        callback()
        return
    first = works.pop()

    def go_on(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_when_done, works, loop, callback)

    first.add_done_callback(go_on)

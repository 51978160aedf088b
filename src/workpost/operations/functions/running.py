"""The functions that run in this process: their pools of workers, and their logs."""

from __future__ import annotations

import asyncio

from workpost.integrations.lambda_.local.pool import Pool
from workpost.kernel.outside_settings import Function, Lambda
from workpost.operations.functions.logs import Logbook
from workpost.operations.functions.surroundings import plan_worker
from workpost.store.core import Core


class Running:
    """All pools of one event loop."""

    def __init__(self, core: Core) -> None:
        self.logbook = Logbook(core)
        self._core = core
        self._pools: dict[tuple[str, Function], Pool] = {}
        self._seen: Lambda | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def pool(self, account: str, mapped: Function) -> Pool:
        """The workers of a callable for an account."""
        self._forget_unmapped()
        key = (account, mapped)
        pool = self._pools.get(key)
        if pool is None:
            core = self._core
            pool = Pool(mapped.concurrency, lambda: plan_worker(core, account, mapped))
            self._pools[key] = pool
        return pool

    def _forget_unmapped(self) -> None:
        """End workers whose mapping is not there any more, or says something else now."""
        mappings = self._core.settings.lambda_
        if mappings is self._seen:
            return
        self._seen = mappings
        for key in [each for each in self._pools if each[1] not in mappings.functions]:
            task = asyncio.create_task(self._pools.pop(key).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End all workers, and write what is left of their logs."""
        pools = [self._pools.popitem()[1] for _ in range(len(self._pools))]
        await asyncio.gather(*(pool.close() for pool in pools), *self._closing)
        await self.logbook.close()


_running: dict[asyncio.AbstractEventLoop, Running] = {}


def running(core: Core) -> Running:
    """What runs on this loop."""
    loop = asyncio.get_running_loop()
    if loop not in _running:
        _running[loop] = Running(core)
    return _running[loop]


async def close_functions() -> None:
    """End all functions of this loop; call it before the store is closed."""
    ended = _running.pop(asyncio.get_running_loop(), None)
    if ended is not None:
        await ended.close()

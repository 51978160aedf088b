"""How a process reads SQLite: quick queries on the event loop, all others in a pool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from workpost.kernel.clock import Environment
from workpost.kernel.errors import Fault, TryLater
from workpost.store.database.counters import Counters, log
from workpost.store.database.sqlite import QUICK_BUSY_MS, Overrun, Snapshots, open_reader
from workpost.store.database.threads import Threads
from workpost.store.database.unit import QUICK

R = TypeVar("R")

QUICK_LIMIT = 0.001
SNAPSHOT_LIMIT = 0.100
"""Seconds; in the pool they are counted in processor time of the thread."""
QUICK_STEPS = 1_000
POOL_STEPS = 50_000


class SqliteReading:
    """Reads of one process; made on its event loop."""

    def __init__(self, path: Path, env: Environment, counters: Counters, readers: int) -> None:
        self._path = path
        self._env = env
        self._counters = counters
        self._quick = Snapshots(
            open_reader(path, busy_ms=QUICK_BUSY_MS), env, limit=QUICK_LIMIT, steps=QUICK_STEPS
        )
        self._pool: Threads[Snapshots] = Threads("read", readers, self._open, Snapshots.close)

    def _open(self) -> Snapshots:
        try:
            return Snapshots(
                open_reader(self._path),
                self._env,
                limit=SNAPSHOT_LIMIT,
                clock=time.thread_time,
                steps=POOL_STEPS,
            )
        except apsw.Error as error:
            raise TryLater("the database cannot be opened") from error

    async def read(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> R:
        """Answer a query. Raises Busy, TryLater, Fault, or what the query raised."""
        if hasattr(query, QUICK):
            try:
                return self._quick.run_quick(query, args, kwargs)
            except (Overrun, TryLater):
                self._counters.count("quick_overruns")
        try:
            return await self._in_pool(query, args, kwargs)
        except Overrun:
            self._counters.count("read_overruns")
            name = getattr(query, "__qualname__", repr(query))
            log.error("query over its limit of %d ms: %s", SNAPSHOT_LIMIT * 1000, name)
            raise Fault(f"query {name} took too long") from None

    def _in_pool(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> asyncio.Future[R]:
        return self._pool.run(lambda snapshots: snapshots.run(query, args, kwargs))

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        self._quick.close()

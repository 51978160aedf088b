"""SQLite behind the store: reading connections of this process and a way to the writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from workpost.kernel.clock import Environment
from workpost.store.changes.hub import Hub
from workpost.store.database.batch import Done
from workpost.store.database.counters import Counters
from workpost.store.database.inline import InlineWriter
from workpost.store.database.options import Options
from workpost.store.database.queue import WriteQueue
from workpost.store.database.reading import SqliteReading
from workpost.store.database.unit import Hint

R = TypeVar("R")


class InlineBackend:
    """SQLite with the writer as a thread of this process."""

    def __init__(self, options: Options, env: Environment, hub: Hub, counters: Counters) -> None:
        self._hub = hub
        self._reading = SqliteReading(options.database, env, counters, options.readers)
        self._writer = InlineWriter(options.database, env, counters, self._settled)
        self._queue = WriteQueue(options, self._writer.put)

    def _settled(self, done: list[Done], hints: list[Hint]) -> None:
        self._queue.resolve_all(done)
        self._hub.publish(hints)

    def read(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Awaitable[R]:
        return self._reading.read(query, args, kwargs)

    def write(
        self,
        command: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        lane: int,
    ) -> Awaitable[Any]:
        return self._queue.write(command, args, kwargs, lane)

    async def close(self) -> None:
        await self._queue.drain()
        await self._writer.close()
        await self._reading.close()

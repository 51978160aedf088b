"""SQLite behind the store: reading connections of this process and a way to the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from workpost.kernel.clock import Environment
from workpost.kernel.errors import WorkpostError
from workpost.store.changes.hub import Hub
from workpost.store.database.batch import Done, Waiting
from workpost.store.database.client import WriterClient
from workpost.store.database.counters import Counters
from workpost.store.database.inline import InlineWriter
from workpost.store.database.options import Options
from workpost.store.database.queue import WriteQueue
from workpost.store.database.reading import SqliteReading
from workpost.store.database.unit import Hint
from workpost.store.tables.commands import recorded_result

R = TypeVar("R")

CONNECT_WITHIN = 5.0
"""Seconds in which the writer has to answer at start."""


class _Line(Protocol):
    """The way to whoever writes."""

    async def close(self) -> None: ...


class LocalBackend:
    """Reads on own connections, writes through a queue and a line."""

    def __init__(
        self, options: Options, env: Environment, counters: Counters, queue: WriteQueue, line: _Line
    ) -> None:
        self._reading = SqliteReading(options.database, env, counters, options.readers)
        self._queue = queue
        self._line = line

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
        await self._line.close()
        await self._reading.close()


def inline_backend(
    options: Options, env: Environment, hub: Hub, counters: Counters
) -> LocalBackend:
    """SQLite with the writer as a thread of this process."""

    def settled(done: list[Done], hints: list[Hint]) -> None:
        queue.resolve_all(done)
        hub.publish(hints)

    writer = InlineWriter(options.database, env, counters, settled)
    queue = WriteQueue(options, writer.put)
    return LocalBackend(options, env, counters, queue, writer)


async def writer_backend(
    options: Options, env: Environment, hub: Hub, counters: Counters, socket: Path
) -> LocalBackend:
    """SQLite with a writer process that listens at `socket`. Raises TryLater."""
    asking: set[asyncio.Task[None]] = set()

    def given_up(waiting: Waiting) -> None:
        task = asyncio.create_task(last_word(waiting))
        asking.add(task)
        task.add_done_callback(asking.discard)

    async def last_word(waiting: Waiting) -> None:
        """The writer is gone for good, but the file may tell what became of a command."""
        try:
            found = await backend.read(recorded_result, (waiting.id,), {})
        except WorkpostError:
            found = None
        if found is None:
            queue.give_up(waiting)
        else:
            queue.resolve(waiting, "", found)

    client = WriterClient(socket, counters, hub.publish, given_up, options.gone_after)
    queue = WriteQueue(options, client.put)
    client.serve(queue)
    await client.connect(CONNECT_WITHIN)
    backend = LocalBackend(options, env, counters, queue, client)
    return backend

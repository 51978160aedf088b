"""PostgreSQL behind the store: threads with a connection each, and hints between nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from workpost.kernel.clock import Environment
from workpost.kernel.errors import TryLater
from workpost.store.changes.bulletin import Bulletins
from workpost.store.changes.hub import Hub
from workpost.store.database.batch import BACKGROUND, Done, Waiting
from workpost.store.database.counters import Counters, log
from workpost.store.database.options import Options
from workpost.store.database.queue import WriteQueue
from workpost.store.database.session import Session
from workpost.store.database.threads import Threads
from workpost.store.database.unit import QUICK, Hint

R = TypeVar("R")


class PostgresBackend:
    """Reads and people's commands in pools; background commands one at a time."""

    def __init__(self, options: Options, env: Environment, hub: Hub, counters: Counters) -> None:
        def session() -> Session:
            return Session(options.url, env, counters, options.gone_after)

        self._readers = Threads("read", options.readers, session, Session.close)
        self._writers = Threads("write", max(1, options.writers - 1), session, Session.close)
        self._background = Threads("background", 1, session, Session.close)
        self._queue = WriteQueue(options, self._put)
        self.caught_up: Callable[[], Awaitable[None]] | None = None
        self._bulletins = Bulletins(options.url, hub, self._notify, self._catch_up)

    async def _catch_up(self) -> None:
        if self.caught_up is not None:
            await self.caught_up()

    async def _notify(self, channel: str, payloads: list[str]) -> None:
        await self._readers.run(lambda session: session.notify(channel, payloads))

    def read(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Awaitable[R]:
        quick = hasattr(query, QUICK)
        return self._readers.run(lambda session: session.query(query, args, kwargs, quick))

    def write(
        self,
        command: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        lane: int,
    ) -> Awaitable[Any]:
        return self._queue.write(command, args, kwargs, lane)

    def _put(self, waiting: Waiting) -> None:
        pool = self._background if waiting.lane == BACKGROUND else self._writers

        def settled(future: asyncio.Future[tuple[Done, list[Hint]]]) -> None:
            if (error := future.exception()) is not None:
                log.error("a command's thread failed", exc_info=error)
                self._queue.resolve(waiting, TryLater.__name__, b"the database does not answer")
                return
            done, hints = future.result()
            self._queue.resolve(waiting, done.error, done.body)
            if hints:
                self._bulletins.publish(hints)

        pool.run(lambda session: session.settle(waiting)).add_done_callback(settled)

    async def close(self) -> None:
        await self._queue.drain()
        await self._bulletins.close()
        for pool in (self._writers, self._background, self._readers):
            await pool.close()

"""The writer as a thread of the same process: `--inline` and tests.

The same engine, lanes and codecs as the writer process; only the socket is missing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

import apsw

from workpost.kernel.clock import Environment
from workpost.kernel.errors import TryLater
from workpost.store.database.batch import Broken, Done, Engine, Lanes, Waiting
from workpost.store.database.counters import Counters, log
from workpost.store.database.sqlite import open_writer
from workpost.store.database.unit import Hint


class InlineWriter:
    """A thread that owns the writing connection; `deliver` runs on the loop after each commit."""

    def __init__(
        self,
        path: Path,
        env: Environment,
        counters: Counters,
        deliver: Callable[[list[Done], list[Hint]], None],
    ) -> None:
        self._path = path
        self._env = env
        self._counters = counters
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._arrived: SimpleQueue[Waiting | None] = SimpleQueue()
        self._lanes = Lanes()
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)
        self._thread.start()

    def put(self, waiting: Waiting) -> None:
        """Hand over a command."""
        self._arrived.put(waiting)

    def _collect(self) -> bool:
        """Move what arrived into the lanes, waiting when there is nothing; False at the end."""
        going_on = True
        while True:
            try:
                waiting = self._arrived.get(block=going_on and not self._lanes)
            except Empty:
                return going_on
            if waiting is None:
                going_on = False
            else:
                self._lanes.put(waiting)

    def _serve(self) -> None:
        connection: apsw.Connection | None = None
        going_on = True
        while going_on or self._lanes:
            going_on = self._collect() and going_on
            batch = self._lanes.take()
            if not batch:
                continue
            try:
                if connection is None:
                    connection = open_writer(self._path)
                done, hints = Engine(connection, self._env, self._counters).run(batch)
            except (Broken, apsw.Error) as error:
                _abandon(connection)
                connection = None
                done, hints = self._settle(batch, error)
            self._counters.tell()
            try:
                self._loop.call_soon_threadsafe(self._deliver, done, hints)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
        _abandon(connection)

    def _settle(self, batch: list[Waiting], error: Exception) -> tuple[list[Done], list[Hint]]:
        """Ask a fresh connection what became of a batch in doubt and run what was not recorded."""
        log.error("the writing connection is lost: %r", error)
        for waiting in batch:
            waiting.again = True
        connection: apsw.Connection | None = None
        try:
            connection = open_writer(self._path)
            return Engine(connection, self._env, self._counters).run(batch)
        except (Broken, apsw.Error) as again:
            log.critical("the database cannot be written: %r", again)
            message = b"the database cannot be written"
            return [Done(w, TryLater.__name__, message, kept=False) for w in batch], []
        finally:
            _abandon(connection)

    async def close(self) -> None:
        """Finish what waits and end the thread."""
        self._arrived.put(None)
        await asyncio.to_thread(self._thread.join)


def _abandon(connection: apsw.Connection | None) -> None:
    if connection is not None:
        try:
            connection.close()
        except apsw.Error as error:
            log.error("closing the database failed: %r", error)

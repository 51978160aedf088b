"""A few threads, each with a connection of its own, that the event loop hands work to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from workpost.kernel.errors import Busy

C = TypeVar("C")
R = TypeVar("R")

_Work = tuple[Callable[[Any], Any], "asyncio.Future[Any]"]


class Threads(Generic[C]):
    """`count` threads; `make` opens the connection at a thread's first work, `dispose` closes it.

    At most `most` pieces of work wait; one more raises Busy.
    """

    def __init__(
        self,
        name: str,
        count: int,
        make: Callable[[], C],
        dispose: Callable[[C], None],
        *,
        most: int = 1024,
    ) -> None:
        self._make = make
        self._dispose = dispose
        self._most = most
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, work: Callable[[C], R]) -> asyncio.Future[R]:
        """Run `work(connection)` on a free thread; it is never interrupted once it started."""
        if self._queue.qsize() >= self._most:
            raise Busy("too many queries wait")
        future: asyncio.Future[R] = self._loop.create_future()
        self._queue.put((work, future))
        return future

    def _serve(self) -> None:
        connection: C | None = None
        while (item := self._queue.get()) is not None:
            work, future = item
            try:
                if connection is None:
                    connection = self._make()
                result, error = work(connection), None
            except BaseException as raised:  # noqa: BLE001 - it belongs to the caller
                result, error = None, raised
            try:
                self._loop.call_soon_threadsafe(_resolve, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                break
            del item, work, future, result, error
        if connection is not None:
            self._dispose(connection)

    async def close(self) -> None:
        """Finish what waits and end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

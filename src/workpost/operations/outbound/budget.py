"""A bound on the bytes of messages that are in memory at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """So many bytes for all; who wants more than are left waits its turn, first come first served.

    A message larger than the whole budget goes alone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Hold bytes while working with a message."""
        size = min(size, self._size)
        if self._queue or self._used + size > self._size:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._free(size)
                raise
        else:
            self._used += size
        try:
            yield
        finally:
            self._free(size)

    def _free(self, size: int) -> None:
        self._used -= size
        while self._queue:
            wanted, turn = self._queue[0]
            if not turn.cancelled():
                if self._used + wanted > self._size:
                    return
                self._used += wanted
                turn.set_result(None)
            self._queue.popleft()

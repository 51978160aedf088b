"""The front of the write queue in each process: bounds, futures and results.

`WriteQueue` gives a command its id, waits for room (count and bytes), hands it on, and turns what
became of it into a result or an error. Behind it stands the inline thread or the writer's socket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from workpost.kernel.errors import Busy, Fault, TryLater, revive
from workpost.store.database.batch import PEOPLE, Done, Waiting
from workpost.store.database.codec import Call, call_of
from workpost.store.database.doubt import new_command_id
from workpost.store.database.options import Options

MOST_FRAME = 48 * 1024 * 1024
"""Bytes of one command's arguments."""
BACKGROUND_SHARE = 8
"""The background lane gets this fraction of the queue."""


class Room:
    """Space for so many commands and bytes; whoever finds none waits in line."""

    def __init__(self, commands: int, size: int, patience: float) -> None:
        self._commands = commands
        self._bytes = size
        self._patience = patience
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    def _fits(self, size: int) -> bool:
        return self._commands > 0 and self._bytes >= size

    def take_now(self, size: int) -> bool:
        """Take room for one command; False, and nothing taken, when it would have to wait."""
        if self._line or not self._fits(size):
            return False
        self._commands -= 1
        self._bytes -= size
        return True

    async def take(self, size: int) -> None:
        """Take room for one command. Raises Busy when there is none in time."""
        if self.take_now(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((size, turn))
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                self._line.remove((size, turn))
                self._admit()
            if isinstance(error, TimeoutError):
                raise Busy("the write queue is full") from None
            raise

    def give(self, size: int) -> None:
        """Give room back."""
        self._commands += 1
        self._bytes += size
        self._admit()

    def _admit(self) -> None:
        while self._line and (self._line[0][1].done() or self._fits(self._line[0][0])):
            size, turn = self._line.popleft()
            if not turn.done():
                self._commands -= 1
                self._bytes -= size
                turn.set_result(None)


class WriteQueue:
    """Commands of one process on their way; `put` hands each to whoever runs it."""

    def __init__(self, options: Options, put: Callable[[Waiting], None]) -> None:
        self._put = put
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._rooms = (
            Room(options.queue_commands, options.queue_bytes, options.busy_after),
            Room(
                max(1, options.queue_commands // BACKGROUND_SHARE),
                max(MOST_FRAME, options.queue_bytes // BACKGROUND_SHARE),
                options.busy_after,
            ),
        )
        self.waiting: dict[bytes, Waiting] = {}

    async def write(
        self,
        command: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        lane: int = PEOPLE,
    ) -> Any:
        """Run a command and return its result once it is durable.

        Raises the command's domain error, Busy, TryLater, Fault, or TypeError for a wrong call.
        A caller that is cancelled after the command was handed over leaves it running.
        """
        call = call_of(command)
        packed = call.encode(args, kwargs)
        size = len(packed)
        if size > MOST_FRAME:
            raise Fault(f"{call.name}: {size} bytes of arguments are too many")
        self._check_open()
        room = self._rooms[lane]
        if not room.take_now(size):
            await room.take(size)
            try:
                self._check_open()
            except Busy:
                room.give(size)
                raise
        future: asyncio.Future[Any] = self._loop.create_future()
        waiting = Waiting(new_command_id(), call, packed, lane, owner=future)
        self.waiting[waiting.id] = waiting
        self._idle.clear()
        self._put(waiting)
        return await future

    def _check_open(self) -> None:
        if self._closed:
            raise Busy("the server is stopping")

    def resolve(self, waiting: Waiting, error: str, body: bytes) -> None:
        """Give a command's outcome to its caller and its room back; a second time does nothing."""
        if self.waiting.pop(waiting.id, None) is None:
            return
        self._rooms[waiting.lane].give(len(waiting.args))
        future: asyncio.Future[Any] = waiting.owner
        if not future.done():
            if error:
                future.set_exception(revive(error, body.decode()))
            else:
                _set_result(future, waiting.call, body)
        if not self.waiting:
            self._idle.set()

    def resolve_all(self, done: list[Done]) -> None:
        """`resolve` for a whole batch."""
        for one in done:
            self.resolve(one.waiting, one.error, one.body)

    def give_up(self, waiting: Waiting) -> None:
        """Tell a command's caller that the engine is gone."""
        self.resolve(waiting, TryLater.__name__, b"the database does not answer")

    async def drain(self) -> None:
        """Take no more and wait until everything handed over is settled."""
        self._closed = True
        await self._idle.wait()


def _set_result(future: asyncio.Future[Any], call: Call, body: bytes) -> None:
    try:
        future.set_result(call.decode_result(body))
    except Fault as error:
        future.set_exception(error)

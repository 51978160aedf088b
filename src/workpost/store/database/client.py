"""A front end's line to the writer process.

When the line is lost it connects again and sends everything unsettled once more, under the same
ids and marked `again`: the writer looks for the id before it runs the command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from workpost.kernel.errors import TryLater
from workpost.store.database.batch import Waiting
from workpost.store.database.counters import Counters, log
from workpost.store.database.frames import FrameError, Splitter, command_head, parse_reply
from workpost.store.database.queue import WriteQueue
from workpost.store.database.sockets import connect_to
from workpost.store.database.unit import Hint

RETRY = 0.02
"""Seconds between attempts to connect."""
MOST_TRIES = 8
"""A command that lost its writer so often is given up: it may be the reason."""


class WriterClient(asyncio.Protocol):
    """Sends commands, settles them in the queue, hands on hints."""

    def __init__(
        self,
        path: Path,
        counters: Counters,
        hear: Callable[[list[Hint]], None],
        given_up: Callable[[Waiting], None],
        gone_after: float,
    ) -> None:
        self._path = path
        self._counters = counters
        self._hear = hear
        self._give_up = given_up
        self._gone_after = gone_after
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._splitter = Splitter()
        self._out: list[bytes] = []
        self._tries: dict[bytes, int] = {}
        self._queue: WriteQueue | None = None
        self._given_up = False
        self._closed = False
        self._connecting: asyncio.Task[None] | None = None

    def serve(self, queue: WriteQueue) -> None:
        """Settle the commands of this queue."""
        self._queue = queue

    async def connect(self, patience: float) -> None:
        """Connect within so many seconds. Raises TryLater."""
        deadline = self._loop.time() + patience
        while True:
            try:
                connection = connect_to(self._path)
                await self._loop.create_unix_connection(lambda: self, sock=connection)
            except OSError as error:
                if self._loop.time() > deadline:
                    raise TryLater("the writer process does not answer") from error
                await asyncio.sleep(RETRY)
            else:
                return

    def put(self, waiting: Waiting) -> None:
        """Send a command; while the line is lost it waits, and is refused when that lasts."""
        if self._transport is None:
            if self._given_up:
                self._leave(waiting)
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._send(waiting)

    def _send(self, waiting: Waiting) -> None:
        self._out += (
            command_head(
                waiting.id,
                waiting.call.name,
                len(waiting.args),
                lane=waiting.lane,
                again=waiting.again,
            ),
            waiting.args,
        )
        waiting.again = True  # should it have to be sent once more

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.writelines(out)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._splitter = Splitter()
        self._given_up = False
        self._out = []
        if self._queue is not None:
            for waiting in list(self._queue.waiting.values()):
                if not waiting.given_up:
                    self._send_once_more(waiting)
            self._flush()

    def _send_once_more(self, waiting: Waiting) -> None:
        tries = self._tries[waiting.id] = self._tries.get(waiting.id, 0) + 1
        if tries > MOST_TRIES:
            log.error("command %s lost its writer %d times", waiting.call.name, tries)
            self._leave(waiting)
        else:
            self._send(waiting)

    def _leave(self, waiting: Waiting) -> None:
        """Give a command up: from now on it is never sent, though the writer may return."""
        self._tries.pop(waiting.id, None)
        if not waiting.given_up:
            waiting.given_up = True
            self._loop.call_soon(self._give_up, waiting)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                self._received(frame)
        except FrameError:
            log.exception("the writer process sent nonsense")
            if self._transport is not None:
                self._transport.abort()

    def _received(self, frame: bytes) -> None:
        message = parse_reply(frame)
        if isinstance(message, list):
            self._hear(message)
            return
        command_id, error, body = message
        if self._tries:
            self._tries.pop(command_id, None)
        if self._queue is not None and (waiting := self._queue.waiting.get(command_id)) is not None:
            self._queue.resolve(waiting, error, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._closed:
            log.warning("the writer process is gone: %r", exc)
            self._connecting = self._loop.create_task(self._connect_again())

    async def _connect_again(self) -> None:
        while not self._closed:
            try:
                await self.connect(self._gone_after)
            except TryLater:
                self._given_up = True
                log.error("the writer process stays away")
                if self._queue is not None:
                    for waiting in list(self._queue.waiting.values()):
                        self._leave(waiting)
            else:
                self._counters.count("reconnects")
                return

    async def close(self) -> None:
        """Hang up."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()

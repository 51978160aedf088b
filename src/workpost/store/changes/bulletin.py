"""Hints between nodes on PostgreSQL: LISTEN in every process, few NOTIFYs.

What a process commits is told to its own watchers at once and to all others in one NOTIFY per
10 ms, outside write transactions: a NOTIFY inside each would serialize all commits of the cluster.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import psycopg

from workpost.kernel.errors import WorkpostError
from workpost.store.changes.hub import Hub
from workpost.store.database.postgresql import Connection, connect
from workpost.store.database.unit import Hint

log = logging.getLogger("workpost.store")

CHANNEL = "workpost"
PAUSE = 0.010
"""Seconds in which hints are gathered for one NOTIFY."""
MOST_BYTES = 7_000
"""PostgreSQL takes payloads under 8,000 bytes."""
RETRY = 0.2
RETRY_MOST = 2.0


class _Bulletin(msgspec.Struct, array_like=True):
    sender: str
    hints: list[Hint]


_decode = msgspec.json.Decoder(_Bulletin).decode


class Bulletins:
    """One process's line to the others."""

    def __init__(
        self,
        url: str,
        hub: Hub,
        send: Callable[[str, list[str]], Awaitable[None]],
        caught_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._url = url
        self._hub = hub
        self._send = send
        self._caught_up = caught_up
        self._sender = os.urandom(6).hex()
        self._loop = asyncio.get_running_loop()
        self._gathered: dict[tuple[str, str], Hint] = {}
        self._sending: asyncio.Task[None] | None = None
        self._opening: asyncio.Future[Connection] | None = None
        self._lost: asyncio.Future[None] | None = None
        self._task = asyncio.create_task(self._listen())

    def publish(self, hints: list[Hint]) -> None:
        """Tell the watchers here now, and those of other processes soon."""
        self._hub.publish(hints)
        for hint in hints:
            known = self._gathered.get((hint.kind, hint.key))
            if known is None or known.value < hint.value:
                self._gathered[hint.kind, hint.key] = hint
        if self._gathered and self._sending is None:
            self._sending = self._loop.create_task(self._send_soon())

    async def _send_soon(self) -> None:
        try:
            while self._gathered:
                await asyncio.sleep(PAUSE)
                gathered, self._gathered = self._gathered, {}
                await self._send(CHANNEL, payloads(self._sender, list(gathered.values())))
        except WorkpostError as error:
            log.warning("hints were lost: %s", error)
        finally:
            self._sending = None

    async def _listen(self) -> None:
        pause = RETRY
        while True:
            try:
                connection = await asyncio.shield(self._open())
            except psycopg.Error as error:
                log.warning("listening for hints failed: %r", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST)
                continue
            self._opening = None
            pause = RETRY
            self._lost = self._loop.create_future()
            descriptor = connection.fileno()
            self._loop.add_reader(descriptor, self._readable, connection)
            try:
                with suppress(WorkpostError):
                    await self._caught_up()
                await self._lost
            finally:
                self._loop.remove_reader(descriptor)
                connection.close()

    def _open(self) -> asyncio.Future[Connection]:
        self._opening = self._loop.run_in_executor(None, _listening, self._url)
        return self._opening

    def _readable(self, connection: Connection) -> None:
        try:
            line = connection.pgconn
            line.consume_input()
            while (note := line.notifies()) is not None:
                self._heard(note.extra)
        except psycopg.Error as error:
            log.warning("the line for hints is lost: %r", error)
            if self._lost is not None and not self._lost.done():
                self._lost.set_result(None)

    def _heard(self, payload: bytes) -> None:
        try:
            bulletin = _decode(payload)
        except msgspec.MsgspecError:
            log.warning("a notification that is no bulletin: %r", payload[:100])
            return
        if bulletin.sender != self._sender:
            self._hub.publish(bulletin.hints)

    async def close(self) -> None:
        """Send what was gathered and hang up."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=1)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._opening is not None:  # the thread cannot be stopped
            with suppress(psycopg.Error):
                (await self._opening).close()


def payloads(sender: str, hints: list[Hint]) -> list[str]:
    """Hints as the text of one or more notifications."""
    text = msgspec.json.encode(_Bulletin(sender, hints))
    if len(text) <= MOST_BYTES or len(hints) == 1:
        return [text.decode()]
    half = len(hints) // 2
    return payloads(sender, hints[:half]) + payloads(sender, hints[half:])


def _listening(url: str) -> Connection:
    connection = connect(url)
    connection.execute(f"LISTEN {CHANNEL}")
    return connection

"""The transport side of one session: bytes in, commands out, answers back.

Invariants
1. One command at a time, in the order they came. While one runs, reading stops at 64 KiB more.
2. Answers leave when the session waits; a client that does not take them stops it.
3. There is no timer per connection: `deadline` is looked at by the server's tick.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from typing import TYPE_CHECKING, cast

from workpost.protocols.listening.handshake import start_tls
from workpost.protocols.listening.proxy import Client
from workpost.protocols.managesieve.errors import SessionEnd
from workpost.protocols.managesieve.session import Session
from workpost.protocols.managesieve.wire import encoder
from workpost.protocols.managesieve.wire.framing import Event, Framer

if TYPE_CHECKING:
    from workpost.protocols.managesieve.server import ManageSieveServer

INPUT_HIGH = 64 * 1024
NEVER = math.inf


class Connection(asyncio.Protocol):
    """One client. The server makes it for each socket; its session runs as one task.

    `client` is who it is where a proxy has said so.
    """

    _transport: asyncio.Transport

    def __init__(self, server: ManageSieveServer, client: Client | None = None) -> None:
        self._server = server
        self.framer = Framer()
        self._output: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._reading_paused = self._congested = False
        self._upgrading = self._ended = self._closing = self._lost = False
        self._interruption: SessionEnd | None = None
        self.deadline = NEVER
        self.peer = client[0] if client is not None else ""
        self.tls = False
        self.session = Session(self, server)

    # --- what asyncio calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        if not self.peer:
            self.peer = name[0] if isinstance(name, tuple) else ""
        if self._server.admit(self):
            self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self.framer.feed(data)
        # What one command may take, the framer bounds; what waits behind it is bounded here.
        if self._waiter is None and not self._upgrading:
            self._pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """What came before is still answered over TCP: scripts pipe commands and half-close."""
        self._ended = True
        self._wake()
        return not self.tls and not self._closing

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost:
            self._lost = self._ended = self._closing = True
            self._congested = False
            self._server.forget(self)
            self._wake()

    # --- what the session calls -------------------------------------------------------------------

    def send(self, answer: bytes) -> None:
        """Queue an answer."""
        self._output.append(answer)

    async def next_event(self) -> Event:
        """The client's next command; answers leave first. Raises SessionEnd."""
        await self._drain()
        self.deadline = self.session.deadline()
        try:
            while (event := self.framer.next_event()) is None:
                if self._ended or self._closing:
                    raise SessionEnd
                self._resume_reading()
                await self._wait()
        finally:
            self.deadline = NEVER
        return event

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """RFC 5804 2.2: what came in clear behind STARTTLS is forgotten, then the handshake."""
        self._flush()
        self.framer.reset()
        self._upgrading = True
        try:
            transport = await start_tls(self._transport, self, context)
        except OSError:
            # The TLS layer reports a failed handshake here only, not to connection_lost.
            self.connection_lost(None)
            raise SessionEnd from None
        finally:
            self._upgrading = False
        if transport is None:
            self.connection_lost(None)
            raise SessionEnd
        self._transport = transport
        self._reading_paused = self._congested = False
        self.tls = True

    # --- what the server calls --------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a command is being worked on."""
        return self._waiter is None and not self._closing

    def end(self, end: SessionEnd) -> None:
        """End the session where it waits, or after the command under way."""
        if self._task is None:
            self._farewell(end)
        else:
            self._interruption = end
            self._wake()

    @property
    def idle(self) -> bool:
        """Whether no command is being worked on."""
        return not self.busy

    def give_way(self) -> None:
        """There is no room for it any more."""
        if self._upgrading or self._closing:
            self._transport.abort()
        else:
            self.end(SessionEnd("Too many connections", "TRYLATER"))

    def expire(self) -> None:
        """The deadline is over."""
        if self._closing:
            self._transport.abort()
        else:
            self.end(SessionEnd("Idle for too long"))

    async def finished(self) -> None:
        """Wait for the session."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def abort(self) -> None:
        """Cut the connection and its command."""
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    # --- inside -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self.session.run()
        except SessionEnd as end:
            self._farewell(end)
        finally:
            self.session.close()
            if not self._closing:
                self._transport.abort()

    def _farewell(self, end: SessionEnd) -> None:
        if end.status:
            self.send(encoder.response(end.status, end.farewell, end.code))
        self._flush()
        self._closing = True
        self.deadline = self._server.now() + self._server.limits.closing
        self._transport.close()

    def _flush(self) -> None:
        if self._output and not self._transport.is_closing():
            self._transport.write(b"".join(self._output))
        self._output.clear()

    @property
    def _is_stuck(self) -> bool:
        return self._congested and not self._closing

    async def _drain(self) -> None:
        self._flush()
        while self._is_stuck:
            self.deadline = self._server.now() + self._server.limits.stall
            await self._wait()

    async def _wait(self) -> None:
        if self._interruption is not None:
            raise self._interruption
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._interruption is not None:
            raise self._interruption

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pause_reading(self) -> None:
        if not self._reading_paused and self.framer.buffered > INPUT_HIGH:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

"""The transport side of one session: bytes in, commands out, answers back.

Invariants
1. One command at a time, in the order they came. While one runs, reading stops at 64 KiB more.
2. Answers leave when the session waits or when 64 KiB have gathered; a client that does not take
   them stops it.
3. There is no timer per connection: `deadline` is looked at by the server's tick.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from workpost.protocols.listening.connection import INPUT_HIGH, NEVER, TaskConnection
from workpost.protocols.listening.proxy import Client
from workpost.protocols.managesieve.errors import SessionEnd
from workpost.protocols.managesieve.session import Session
from workpost.protocols.managesieve.wire import encoder
from workpost.protocols.managesieve.wire.framing import Event, Framer

if TYPE_CHECKING:
    from workpost.protocols.managesieve.server import ManageSieveServer

OUTPUT_HIGH = 64 * 1024


class Connection(TaskConnection):
    """One client. The server makes it for each socket; its session runs as one task.

    `client` is who it is where a proxy has said so.
    """

    def __init__(self, server: ManageSieveServer, client: Client | None = None) -> None:
        super().__init__(OUTPUT_HIGH)
        self._server = server
        self.framer = Framer()
        self._interruption: SessionEnd | None = None
        self.peer = client[0] if client is not None else ""
        self.session = Session(self, server)

    # --- what asyncio calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host, _ = self._begin(transport)
        self.peer = self.peer or host
        if self._server.admit(self):
            self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self.framer.feed(data)
        # What one command may take, the framer bounds; what waits behind it is bounded here.
        if self._waiter is None and self.framer.buffered > INPUT_HIGH:
            self._pause_reading()
        self._wake()

    # --- what the session calls -------------------------------------------------------------------

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
        self.flush()
        self.framer.reset()
        if not await self._upgrade(context):
            raise SessionEnd

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

    def abort(self) -> None:
        """Cut the connection and its command."""
        if self._task is not None:
            self._task.cancel()
        super().abort()

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
        self.flush()
        self._hang_up(self._server.now() + self._server.limits.closing)

    def _forget(self) -> None:
        self._ended = self._closing = True
        self.congested = False
        self._server.forget(self)

    def _end_idle(self) -> None:
        self.end(SessionEnd("Idle for too long"))

    async def _drain(self) -> None:
        self.flush()
        while self._is_stuck:
            self.deadline = self._server.now() + self._server.limits.stall
            await self._wait()

    async def _wait(self) -> None:
        if self._interruption is not None:
            raise self._interruption
        await super()._wait()
        if self._interruption is not None:
            raise self._interruption

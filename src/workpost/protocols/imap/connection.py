"""The transport side of one session: bytes in, commands out, answers back.

Invariants
1. A connection that waits for its client holds no task: bytes that complete a command start one,
   which works until nothing is left to do. So an idle session is a few small objects.
2. One command at a time, in the order they came (RFC 3501 5.5). While one runs, one read over
   64 KiB and reading stops.
3. Answers leave when there is nothing more to read or when 64 KiB have gathered; a client that
   does not take them stops the command that makes them (`drain`).
4. What one client may have in memory beyond that, the literal of an APPEND, is taken from the
   budget of the process; where it is used up the client is sent away.
5. There is no timer per connection: `deadline` is looked at by the server's tick.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING

import structlog

from workpost.protocols.imap.errors import SessionEnd
from workpost.protocols.imap.session import Session
from workpost.protocols.imap.wire import encoder
from workpost.protocols.imap.wire.framing import Continue, Event, Frame, Framer, Refused
from workpost.protocols.listening.connection import INPUT_HIGH, NEVER, TaskConnection
from workpost.protocols.listening.proxy import Client

if TYPE_CHECKING:
    from workpost.protocols.imap.server import ImapServer

log: structlog.stdlib.BoundLogger = structlog.get_logger("workpost.imap")

OUTPUT_HIGH = 64 * 1024
TURN = 0.002
"""Seconds of answering one client's pipelined commands after which others get their turn."""


class Connection(TaskConnection):
    """One client. The server makes it for each socket.

    `client` is who it is where a proxy has said so.
    """

    __slots__ = ("_login_by", "_reserved", "_server", "framer", "peer", "session")

    def __init__(self, server: ImapServer, client: Client | None = None) -> None:
        super().__init__(OUTPUT_HIGH)
        self._server = server
        self.framer = Framer()
        self._reserved = 0
        self._login_by = NEVER
        self.peer = client[0] if client is not None else ""
        self.session = Session(self, server)

    # --- what asyncio calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host, _ = self._begin(transport)
        self.peer = self.peer or host
        self._transport.set_write_buffer_limits(high=2 * OUTPUT_HIGH)
        if self._server.admit(self):
            self.deadline = self._login_by = self._server.now() + self._server.limits.login
            self.session.greet()
            self.flush()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self.framer.feed(data)
        if self._task is not None:
            if self.framer.buffered > INPUT_HIGH:
                self._pause_reading()
            self._wake()
            return
        if not self._reserve():
            self.end("Too much mail is coming in, try later")
            return
        event = self.framer.next_event()
        while isinstance(event, Continue):
            self._ask_for_literal()
            event = self.framer.next_event()
        if event is not None:
            self._start(event)
        else:
            self._rest(self._server.limits.stall if self.framer.buffered else None)

    def eof_received(self) -> bool:
        stays = super().eof_received()
        if self._task is None:
            self.end("")
        return stays and not self._closing

    @property
    def is_gone(self) -> bool:
        """Whether the client has hung up or was hung up on, in the middle of a command perhaps."""
        return self._closing

    # --- what the session calls -------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a command is being worked on."""
        return self._task is not None

    async def drain(self) -> None:
        """Wait until the client takes its answers. Raises SessionEnd when it is gone."""
        if self._is_stuck:
            self.deadline = self._server.now() + self._server.limits.stall
            await self._wait_until_taken()
            self.deadline = NEVER
        if self._closing:
            raise SessionEnd

    async def next_line(self) -> bytes | None:
        """The client's next line within a command (SASL); None when it was too long."""
        self.framer.expect_line()
        self.flush()
        self.deadline = self._login_by
        while (event := self.framer.next_event()) is None:
            if self._closing or self._ended:
                raise SessionEnd
            self._resume_reading()
            await self._wait()
        self.deadline = NEVER
        return event.parts[0] if isinstance(event, Frame) else None

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """RFC 3501 6.2.1: what came in clear after STARTTLS is forgotten, then the handshake."""
        self.flush()
        self.framer.reset()
        if not await self._upgrade(context):
            raise SessionEnd
        self._transport.set_write_buffer_limits(high=2 * OUTPUT_HIGH)

    def wake(self) -> None:
        """Something happened that the session wants to tell; starts a task unless one works."""
        if self._task is None and not self._closing:
            self._start(None)

    def end(self, farewell: str) -> None:
        """Say BYE (unless empty) and hang up; a command under way is told so by `drain`."""
        if self._closing:
            return
        if farewell:
            self.send(encoder.status_line(b"*", "BYE", farewell))
        self.flush()
        self._hang_up(self._server.now() + self._server.limits.closing)
        self.session.close()
        self._wake()

    # --- what the server calls --------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no command is being worked on."""
        return not self.busy

    def give_way(self) -> None:
        """There is no room for it any more; a command under way is not answered."""
        if self._upgrading or self._closing:
            self.abort()
        else:
            self.end("Too many connections")

    def cancel(self) -> None:
        """Give up the command under way."""
        if self._task is not None:
            self._task.cancel()

    # --- inside -----------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._closing = True
        self._release()
        self.session.close()
        self._server.forget(self)

    def _end_idle(self) -> None:
        self.end("Autologout, idle for too long")

    async def _wait_until_taken(self) -> None:
        while self._is_stuck:
            await self._wait()

    def _start(self, event: Event | None) -> None:
        self.deadline = NEVER
        self._task = asyncio.get_running_loop().create_task(self._work(event))

    async def _work(self, event: Event | None) -> None:
        session = self.session
        since = time.perf_counter()
        try:
            while True:
                if isinstance(event, (Frame, Refused)):
                    await session.answer(event)
                elif event is not None:
                    self._ask_for_literal()
                elif session.has_news:
                    await session.tell_news()
                else:
                    break
                if self.congested:
                    await self.drain()
                if time.perf_counter() - since >= TURN:
                    await asyncio.sleep(0)
                    since = time.perf_counter()
                if self._closing:
                    return
                event = self.framer.next_event()
            self.flush()
        except SessionEnd as end:
            self.end(end.farewell)
        except Exception:
            log.exception("imap.fault", peer=self.peer)
            self.end("Internal error, reported to the administrator")
        finally:
            self._task = None
            self._release()
            if not self._closing:
                self._resume_reading()
                self._after_work()

    def _after_work(self) -> None:
        if self._server.draining:
            self.end("The server is stopping")
        elif self._ended:
            self.end("")
        else:
            self._rest(None)

    def _rest(self, limit: float | None) -> None:
        """From now on it is the client's turn."""
        if self.session.grant is not None:
            self.deadline = self._server.now() + (limit or self._server.limits.idle)
        else:
            self.deadline = self._login_by

    def _reserve(self) -> bool:
        more = self.framer.buffered - INPUT_HIGH - self._reserved
        if more <= 0:
            return True
        if not self._server.budget.take(more):
            return False
        self._reserved += more
        return True

    def _release(self) -> None:
        if self._reserved:
            self._server.budget.release(self._reserved)
            self._reserved = 0

    def _ask_for_literal(self) -> None:
        self.send(encoder.continuation(b"OK"))
        self.flush()

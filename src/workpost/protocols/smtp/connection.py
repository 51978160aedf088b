"""The transport side of one session: octets in, lines and content out, replies back.

Invariants
1. Input that waits is bounded: one read over 64 KiB and reading stops until the dialogue has used
   it up. Content goes straight to its intake and is bounded there.
2. A line ends in CRLF. A bare LF ends the session; nothing behind it is ever read as a command.
3. Replies leave when the dialogue has nothing more to read (RFC 2920 3.2: one write for a group)
   or when 16 KiB have gathered; a peer that does not take them stops the dialogue.
4. There is no timer per connection: ``deadline`` is looked at by the server's tick. It is set only
   while the peer is to act, never while the service works.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from workpost.protocols.listening.connection import INPUT_HIGH, NEVER, ClientConnection
from workpost.protocols.listening.eager import EagerTask
from workpost.protocols.listening.proxy import Client
from workpost.protocols.smtp.dialogue import Dialogue
from workpost.protocols.smtp.intake import Intake
from workpost.protocols.smtp.session import Peer
from workpost.protocols.smtp.signals import (
    BARE_LINE_END,
    IDLE,
    LINE_TOO_LONG,
    TOO_MANY_CONNECTIONS,
    SessionEnd,
)
from workpost.protocols.smtp.wire.commands import MAX_LINE

if TYPE_CHECKING:
    from workpost.protocols.smtp.server import SmtpServer
    from workpost.protocols.smtp.strangers import Stranger

OUTPUT_HIGH = 16 * 1024


class Connection(ClientConnection):
    """One client. The server makes it for each socket; its dialogue runs as one task.

    `client` is who it is where a proxy has said so; `stranger` is None for peers nobody counts.
    """

    task: EagerTask
    dialogue: Dialogue

    def __init__(
        self, server: "SmtpServer", loop: asyncio.AbstractEventLoop, client: Client | None = None
    ) -> None:
        super().__init__(OUTPUT_HIGH)
        self._server = server
        self._loop = loop
        self._input = b""
        self._at = 0
        self._intake: Intake | None = None
        self._intake_until = NEVER
        self._begun = False
        self.peer = Peer(*client) if client is not None else Peer("", 0)
        self.stranger: Stranger | None = None
        self.cipher: str | None = None
        """Version and cipher of TLS, None in clear."""

    # --- what asyncio calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        client = self._begin(transport)
        if not self.peer.host:
            self.peer = Peer(*client)
        self.cipher = _describe_tls(transport)
        self.dialogue = Dialogue(self, self._server)
        if self._server.admit(self):
            self._begun = True
            self.task = EagerTask(self.dialogue.run(), self._loop)
            self.task.start()

    def data_received(self, data: bytes) -> None:
        if self._intake is not None:
            self.deadline = min(self._loop.time() + self._server.limits.command, self._intake_until)
            used = self._intake.feed(data)
            if self._intake.done:
                self._intake = None
                self._store(data[used:])
                self._wake()
            return
        self._store(data)
        # A peer that sends octet by octet must not wake the dialogue for each.
        if b"\n" in data or self.dialogue.greets or len(self._input) - self._at > MAX_LINE:
            self._wake()

    # --- what the dialogue calls ------------------------------------------------------------------

    def take_line(self) -> bytes | None:
        """The next line without CRLF; None where none is complete.

        Raises SessionEnd for a bare LF and for a line that no limit allows.
        """
        end = self._input.find(b"\n", self._at)
        if end < 0:
            if len(self._input) - self._at > MAX_LINE:
                raise SessionEnd(LINE_TOO_LONG)
            return None
        if end == self._at or self._input[end - 1] != 0x0D:
            raise SessionEnd(BARE_LINE_END)
        line = self._input[self._at : end - 1]
        self._at = end + 1
        return line

    async def next_line(self) -> bytes:
        """The next line, waited for; replies leave first. Raises SessionEnd."""
        self.deadline = self._loop.time() + self._server.limits.command
        try:
            while (line := self.take_line()) is None:
                self._before_waiting()
                await self.task.pause()
            return line
        finally:
            self.deadline = NEVER

    async def receive(self, intake: Intake) -> None:
        """Feed the intake until it is done; what follows stays for ``take_line``."""
        if self._at < len(self._input):
            self._at += intake.feed(self._input[self._at :])
        if intake.done:
            return
        now = self._loop.time()
        self._intake_until = now + self._server.limits.transfer
        self.deadline = now + self._server.limits.command
        self._intake = intake
        try:
            while not intake.done:
                self._before_waiting()
                await self.task.pause()
        finally:
            self._intake = None
            self.deadline = NEVER

    async def relieved(self) -> None:
        """Wait until a peer that did not take its replies takes them."""
        self.deadline = self._loop.time() + self._server.limits.command
        try:
            while self.congested and not self._lost:
                await self.task.pause()
        finally:
            self.deadline = NEVER

    async def rest(self, seconds: float) -> None:
        """Keep the peer waiting; replies leave first. Raises SessionEnd when it goes away."""
        self.flush()
        await self._doze(seconds, lambda: self._lost)
        if self._lost:
            raise SessionEnd

    async def speaks_first(self, seconds: float) -> bool:
        """Whether the peer says something before the time is over.

        Raises SessionEnd for one that hangs up without a word.
        """
        await self._doze(seconds, lambda: self._ended or bool(self._input))
        if self._ended and not self._input:
            raise SessionEnd
        return bool(self._input)

    async def _doze(self, seconds: float, disturbed: Callable[[], bool]) -> None:
        over = False

        def ring() -> None:
            nonlocal over
            over = True
            self._wake()

        timer = self._loop.call_later(seconds, ring)
        try:
            while not over and not disturbed():
                await self.task.pause()
        finally:
            timer.cancel()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """RFC 3207: what came in clear behind STARTTLS is forgotten, then the handshake."""
        self.flush()
        self._input, self._at = b"", 0
        if not await self._upgrade(context):
            raise SessionEnd
        self.cipher = _describe_tls(self._transport)

    def close(self) -> None:
        """Send what is queued and hang up."""
        self.flush()
        self._hang_up(self._loop.time() + self._server.limits.closing)

    # --- what the server calls --------------------------------------------------------------------

    def drain(self, farewell: bytes) -> None:
        """The service stops: end at once unless a message is under way."""
        if not self.dialogue.in_message:
            self._interrupt(SessionEnd(farewell))

    @property
    def idle(self) -> bool:
        """Whether it waits for the peer; of one in TLS's handshake nobody knows."""
        return self.deadline != NEVER or self._upgrading

    def give_way(self) -> None:
        """There is no room for it any more; what it has asked is not answered."""
        if self._upgrading or self._closing:
            self.abort()
            return
        waits = self._begun and self.task.paused
        self._interrupt(SessionEnd(TOO_MANY_CONNECTIONS))
        if not waits:
            self.send(TOO_MANY_CONNECTIONS)
            self.close()

    # --- inside -----------------------------------------------------------------------------------

    def _store(self, data: bytes) -> None:
        self._input = data if self._at >= len(self._input) else self._input[self._at :] + data
        self._at = 0
        if len(self._input) > INPUT_HIGH:
            self._pause_reading()

    def _before_waiting(self) -> None:
        """Replies leave before the peer is waited for."""
        if self._ended:
            raise SessionEnd
        self.flush()
        if self._reading_paused:
            self._resume_reading()

    def _forget(self) -> None:
        self._ended = True
        self._server.forget(self)

    def _end_idle(self) -> None:
        self._interrupt(SessionEnd(IDLE))

    def _wake(self) -> None:
        if self._begun:
            self.task.resume()

    def _interrupt(self, end: SessionEnd) -> None:
        if self._begun:
            self.task.resume(end)


def _describe_tls(transport: asyncio.BaseTransport) -> str | None:
    cipher = transport.get_extra_info("cipher")
    return f"{cipher[1]} {cipher[0]}" if cipher else None

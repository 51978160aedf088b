"""The transport side of a session, as far as all protocols do it alike.

Invariants
1. Input that waits is bounded by whoever reads it: beyond its bound it calls `_pause_reading`, and
   before it waits for the client `_resume_reading`.
2. Answers leave when the protocol flushes, or once so many octets as it says have gathered.
3. There is no timer per connection: `deadline` is looked at by the listener's tick.
"""

import abc
import asyncio
import math
import ssl
from typing import cast

from workpost.protocols.listening.handshake import start_tls
from workpost.protocols.listening.proxy import Client

INPUT_HIGH = 64 * 1024
"""Octets of input that wait before reading stops."""
LARGEST_WRITE = 64 * 1024
NEVER = math.inf


class ClientConnection(asyncio.Protocol, abc.ABC):
    """One client. A protocol's own connection says what happens to what is read.

    `output_high`: octets of answers that gather before they leave unasked.
    """

    __slots__ = (
        "_closing",
        "_ended",
        "_lost",
        "_output",
        "_output_high",
        "_output_size",
        "_reading_paused",
        "_transport",
        "_upgrading",
        "congested",
        "deadline",
        "tls",
    )

    _transport: asyncio.Transport

    def __init__(self, output_high: int) -> None:
        self._output: list[bytes] = []
        self._output_size = 0
        self._output_high = output_high
        self._reading_paused = False
        self._upgrading = False
        self._ended = False
        self._closing = False
        self._lost = False
        self.congested = False
        """Whether the client does not take what was sent."""
        self.deadline = NEVER
        self.tls = False

    # --- what a protocol adds ---------------------------------------------------------------------

    @abc.abstractmethod
    def _wake(self) -> None:
        """Let whoever waits for the client look again."""

    @abc.abstractmethod
    def _forget(self) -> None:
        """The client is gone: release what it held. Called once."""

    @abc.abstractmethod
    def _end_idle(self) -> None:
        """The deadline is over, and the session has not been ended yet."""

    # --- what asyncio calls -----------------------------------------------------------------------

    def eof_received(self) -> bool:
        """What came before is still answered over TCP: scripts pipe commands and half-close."""
        self._ended = True
        self._wake()
        return not self.tls and not self._closing

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._forget()
            self._wake()

    # --- answers ----------------------------------------------------------------------------------

    def send(self, answer: bytes) -> None:
        """Queue an answer; an empty one is none."""
        if answer:
            self._output.append(answer)
            self._output_size += len(answer)
            if self._output_size > self._output_high:
                self.flush()

    def flush(self) -> None:
        """Let the queued answers go, at most 64 KiB a write."""
        output = self._output
        if not output:
            return
        if not self._transport.is_closing():
            if self._output_size <= LARGEST_WRITE:
                self._transport.write(output[0] if len(output) == 1 else b"".join(output))
            else:
                view = memoryview(b"".join(output))
                for at in range(0, len(view), LARGEST_WRITE):
                    self._transport.write(view[at : at + LARGEST_WRITE])
        output.clear()
        self._output_size = 0

    # --- what the listener calls ------------------------------------------------------------------

    def expire(self) -> None:
        """The deadline is over."""
        if self._closing:
            self._transport.abort()
        else:
            self._end_idle()

    def abort(self) -> None:
        """Cut the connection, whatever is queued."""
        self._transport.abort()

    # --- what a protocol calls --------------------------------------------------------------------

    def _begin(self, transport: asyncio.BaseTransport) -> Client:
        """Take the transport; returns where the socket comes from, ("", 0) for a Unix socket."""
        self._transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("cipher") is not None
        name = transport.get_extra_info("peername")
        return (name[0], name[1]) if isinstance(name, tuple) else ("", 0)

    def _pause_reading(self) -> None:
        """Read no more for now; what a handshake sends is always read."""
        if not self._reading_paused and not self._upgrading:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    async def _upgrade(self, context: ssl.SSLContext) -> bool:
        """TLS from now on, after STARTTLS; False where that failed or the client is gone.

        A client that only does not speak any more has not been forgotten then, and is hung up on.
        """
        if self._ended or self._transport.is_closing():
            # No TLS layer hears of what has been lost already: it would wait all its time.
            return False
        self._upgrading = True
        try:
            transport = await start_tls(self._transport, self, context)
        except OSError:
            # The TLS layer reports a failed handshake here only, not to connection_lost.
            transport = None
        finally:
            self._upgrading = False
        if transport is None:
            self.connection_lost(None)
            return False
        self._transport = transport
        self._reading_paused = self.congested = False
        self.tls = True
        return True

    def _hang_up(self, until: float) -> None:
        """Close once the client has taken what is queued, and cut at `until` (the loop's time)."""
        self._closing = True
        self.deadline = until
        self._transport.close()


class TaskConnection(ClientConnection):
    """One client whose commands a task of asyncio answers; it waits for the client by a future."""

    __slots__ = ("_task", "_waiter")

    def __init__(self, output_high: int) -> None:
        super().__init__(output_high)
        self._task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def finished(self) -> None:
        """Wait for what is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def _is_stuck(self) -> bool:
        return self.congested and not self._closing

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

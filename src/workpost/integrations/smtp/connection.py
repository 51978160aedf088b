"""One TCP connection to a server: bytes out, replies in, both bounded in time and size."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast

from workpost.integrations.smtp.replies import BadReply, Reply, ReplyReader

MAX_UNREAD = 512
"""Replies that wait to be read; no group of commands of ours has so many."""
BLOCK = 64 * 1024


class Lost(Exception):
    """The connection is gone, was never there, or is too slow; the message says which."""


class HandshakeFailed(Lost):
    """TLS did not come about; `problem` is its result type (RFC 8460 4.3)."""

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class Connection(asyncio.Protocol):
    """Made by `connect`. Only one reads and writes at a time."""

    def __init__(self) -> None:
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._heard: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._broken: Exception | None = None
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()
        """Set when nothing is left of the connection."""
        self.deadline = float("inf")
        """On the loop's clock: no wait goes beyond."""

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=4 * BLOCK)

    def data_received(self, data: bytes) -> None:
        if self._broken is not None:
            return
        self._replies.extend(self._reader.feed(data))
        error = self._reader.error
        if error is None and len(self._replies) > MAX_UNREAD:
            error = BadReply("it sends replies to nothing")
        if error is not None:
            # What was said well before counts: nobody's delivery is forgotten for what follows it.
            self._break(error)
            self.abort()
        self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(Lost(_reason(exc) if exc else "it closed the connection"))
        self._wake()
        self._wake_writer()
        self.gone.set()

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake_writer()

    def _break(self, error: Exception) -> None:
        if self._broken is None:
            self._broken = error

    def _wake(self) -> None:
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(None)

    def _wake_writer(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # --- what a session calls ---

    @property
    def is_quiet(self) -> bool:
        """Open, and nothing has come that nobody asked for."""
        return self._broken is None and not self._replies and self._reader.is_between

    def early_reply(self) -> Reply | None:
        """A reply that came before it was due."""
        return self._replies.popleft() if self._replies else None

    async def reply(self, seconds: float) -> Reply:
        """The next reply. Raises Lost and BadReply."""
        loop = asyncio.get_running_loop()
        limit = min(loop.time() + seconds, self.deadline)
        while not self._replies:
            if self._broken is not None:
                raise self._broken
            self._heard = loop.create_future()
            try:
                async with asyncio.timeout_at(limit):
                    await self._heard
            except TimeoutError:
                self._break(Lost("it did not answer in time"))
                self.abort()
            finally:
                self._heard = None
        return self._replies.popleft()

    def write(self, data: bytes) -> None:
        """Put bytes on their way. Raises Lost where the connection is known to be gone."""
        if self._broken is not None or self._transport is None or self._transport.is_closing():
            raise self._broken or Lost("it closed the connection")
        self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until more can be written. Raises Lost and BadReply."""
        if self._room is not None:
            limit = min(asyncio.get_running_loop().time() + seconds, self.deadline)
            try:
                async with asyncio.timeout_at(limit):
                    await asyncio.shield(self._room)
            except TimeoutError:
                self._break(Lost("it took nothing in time"))
                self.abort()
        if self._broken is not None:
            raise self._broken

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> None:
        """Go over to TLS and ask for `name` (SNI). Raises HandshakeFailed, Lost and BadReply."""
        if not self.is_quiet:
            # What was said before the handshake must never count after it.
            error = self._broken or BadReply("it answers before it was asked")
            self._break(error)
            self.abort()
            raise error
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        seconds = min(seconds, self.deadline - loop.time())
        try:
            transport = await loop.start_tls(
                self._transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=max(seconds, 0.001),
            )
        except (OSError, ValueError, UnicodeError) as error:
            self._break(Lost("TLS did not come about"))
            self.abort()
            raise HandshakeFailed(_reason(error), tls_problem(error)) from error
        if transport is None:
            raise HandshakeFailed("it closed the connection", "validation-failure")
        self._transport = transport
        self._transport.set_write_buffer_limits(high=4 * BLOCK)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What TLS has agreed on."""
        if self._transport is None:
            return None
        return cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))

    @property
    def local_address(self) -> str:
        """Our address of this connection."""
        name = self._transport.get_extra_info("sockname") if self._transport else None
        return str(name[0]) if name else ""

    def close(self) -> None:
        """Close after what was written is sent."""
        self._break(Lost("the connection was closed"))
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once: what was not sent yet never is."""
        self._break(Lost("the connection was closed"))
        if self._transport is not None:
            self._transport.abort()


async def connect(
    address: str, port: int, *, source: str = "", seconds: float, deadline: float = float("inf")
) -> Connection:
    """Open a connection to an IP address, from `source` if given. Raises Lost."""
    loop = asyncio.get_running_loop()
    limit = min(loop.time() + seconds, deadline)
    try:
        async with asyncio.timeout_at(limit):
            _, connection = await loop.create_connection(
                Connection, address, port, local_addr=(source, 0) if source else None
            )
    except TimeoutError:
        raise Lost("no connection in time") from None
    except OSError as error:
        raise Lost(_reason(error)) from error
    connection.deadline = deadline
    return connection


def _reason(error: Exception) -> str:
    """An error of the network in words, without the addresses that asyncio puts in."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'broken off'}"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionError):
        return "it broke off the connection"
    return f"no connection ({type(error).__name__})"


_HOST_MISMATCH = 62
_EXPIRED = 10


def tls_problem(error: Exception) -> str:
    """The result type of RFC 8460 4.3 for a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _HOST_MISMATCH:
            return "certificate-host-mismatch"
        if error.verify_code == _EXPIRED:
            return "certificate-expired"
        return "certificate-not-trusted"
    return "validation-failure"

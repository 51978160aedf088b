"""A mail service that only remembers, an SMTP server in a thread, and a bare client."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import uvloop

from workpost.kernel.errors import AuthenticationFailed
from workpost.protocols.listening.proxy import Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.session import (
    Accepted,
    Login,
    Peer,
    Recipient,
    Role,
    Transaction,
)
from workpost.protocols.smtp.strangers import StrangerLimits, Strangers

HOST = "mail.a.test"
PASSWORD = b"right"
R = TypeVar("R")


class Mailroom:
    """Accepts everything; ``errors`` maps a method, or (method, local part), to what it raises."""

    def __init__(self) -> None:
        self.messages: list[tuple[Transaction, bytes]] = []
        self.logins: list[tuple[str, bytes, str]] = []
        self.errors: dict[object, Exception] = {}
        self.followed: list[Callable[[], None]] = []
        self.gate: asyncio.Event | None = None
        self.entered = threading.Event()

    def _raise(self, *keys: object) -> None:
        for key in keys:
            if key in self.errors:
                raise self.errors[key]

    async def authenticate(
        self, peer: Peer, username: str, password: bytes, mechanism: str
    ) -> Login:
        self.logins.append((username, password, mechanism))
        self._raise("authenticate")
        if password != PASSWORD:
            raise AuthenticationFailed
        return Login(username)

    def follow(self, login: Login, ended: Callable[[], None]) -> Callable[[], None]:
        self.followed.append(ended)
        return lambda: self.followed.remove(ended)

    async def mail_from(self, transaction: Transaction) -> None:
        self._raise("mail_from")

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> None:
        self._raise("rcpt_to", ("rcpt_to", recipient.address.local))

    async def message(self, transaction: Transaction, content: bytes) -> Accepted:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        self._raise("message")
        self.messages.append((transaction, content))
        return Accepted(f"Message {len(self.messages)} accepted")

    @property
    def contents(self) -> list[bytes]:
        return [content for _, content in self.messages]


class Pipe(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self, peername: object = ("127.0.0.1", 4711)) -> None:
        super().__init__({"peername": peername})
        self.written = b""
        self.sizes: list[int] = []
        self.closed = False
        self.aborted = False
        self.reading = True

    def write(self, data: object) -> None:
        assert not self.closed
        assert isinstance(data, bytes)
        self.written += data
        self.sizes.append(len(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Running:
    """A server on its own loop in a thread; use as a context manager."""

    def __init__(
        self,
        tls: Path | None = None,
        *,
        role: Role = Role.MX,
        implicit_tls: bool = False,
        plaintext_auth: bool = False,
        limits: Limits | None = None,
        shared: Shared | None = None,
        strangers: StrangerLimits | None = None,
        unix: Path | None = None,
        loop: str = "uvloop",
    ) -> None:
        """Peers on loopback are proxies where `strangers` is given: `Client(via=...)`."""
        self.mailroom = Mailroom()
        self.shared = shared or Shared()
        self.now = 0.0
        proxies = Proxies(["127.0.0.1"] if strangers is not None else [])
        options = ListenerOptions(
            role, HOST, implicit_tls, plaintext_auth, limits or Limits(), proxies
        )
        self.strangers = Strangers(strangers or StrangerLimits(), lambda: self.now)
        self.loop = uvloop.new_event_loop() if loop == "uvloop" else asyncio.new_event_loop()
        self.server = SmtpServer(
            self.mailroom,
            options,
            self.shared,
            certificates=Certificates(tls) if tls else None,
            strangers=self.strangers,
            clock=lambda: self.now,
        )
        if unix is None:
            bound = socket.create_server(("127.0.0.1", 0))
        else:
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(str(unix))
            bound.setblocking(False)
        self.address: tuple[str, int] = bound.getsockname()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.call(self.server.start([bound]))

    def call(self, coroutine: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def expire(self, seconds: float) -> None:
        """Let the server look at its deadlines as if so much time had passed."""
        self.call(self._expire(seconds))

    async def _expire(self, seconds: float) -> None:
        self.server.expire(asyncio.get_running_loop().time() + seconds)

    async def adjust(self, limits: Limits) -> None:
        self.server.adjust(limits)

    def open_gate(self) -> None:
        assert self.mailroom.gate is not None
        self.loop.call_soon_threadsafe(self.mailroom.gate.set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.mailroom.gate is not None:
            self.open_gate()
        self.call(self.server.stop(2))
        self.call(self._settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        assert self.shared.budget.used == 0
        assert self.shared.peers.open == 0

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


class Client:
    """A client that sends what it is told and reads whole replies."""

    def __init__(
        self, address: tuple[str, int] | str, *, greeting: bool = True, via: str = ""
    ) -> None:
        """`via` is the address that a proxy in between says the client has."""
        self._buffer = b""
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=30)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if via:
            family = b"TCP6 %b ::1" if ":" in via else b"TCP4 %b 127.0.0.1"
            self.send(b"PROXY " + family % via.encode() + b" 40000 25\r\n")
        if greeting:
            assert self.reply().startswith(b"220 ")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """One line of a reply, b"" at the end."""
        while b"\r\n" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                return b""
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def reply(self) -> bytes:
        """One whole reply without its last CRLF, b"" at the end."""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return b"\n".join(lines)

    def ask(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.reply()

    def ask_all(self, data: bytes, count: int) -> list[bytes]:
        """Codes of the replies to pipelined commands."""
        self.send(data)
        return [self.reply()[:3] for _ in range(count)]

    def at_end(self) -> bool:
        """Whether the server closed after its last reply."""
        try:
            return self.line() == b""
        except ConnectionResetError:
            return True

    def start_tls(self, ca: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def make_certificate(directory: Path) -> Path:
    return ensure_self_signed(directory, HOST, dt.datetime.now(dt.UTC))

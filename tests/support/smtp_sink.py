"""An SMTP server that takes mail, or does what a script tells it: the far end of fault tests.

It runs in threads of its own, so that it serves tests on a loop and whole servers in other
processes alike.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE 52428800")


@dataclass
class Received:
    """A message that was accepted, or was complete when the connection was dropped."""

    sender: str
    recipients: list[str]
    content: bytes
    mail: str
    """The whole MAIL command, with its parameters."""
    rcpt: list[str]
    tls: bool
    helo: str
    user: str
    session: int


@dataclass
class Script:
    """How the server behaves; may be changed while it runs.

    Steps are GREETING, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, CONTENT, `.` (the end of the
    content), RSET and QUIT.
    """

    name: str = "sink.example.test"
    extensions: tuple[str, ...] = EXTENSIONS
    esmtp: bool = True
    tls_first: bool = False
    starttls: bool = True
    """Only where the sink has a context."""
    requiretls: bool = False
    login: tuple[str, str] | None = None
    replies: dict[str, list[str]] = field(default_factory=dict)
    """By step: what to answer instead, each once; then as usual."""
    always: dict[str, str] = field(default_factory=dict)
    """By step: what to answer instead, each time."""
    recipients: dict[str, list[str]] = field(default_factory=dict)
    """By address: the same for RCPT; the last one stays."""
    at_most: int = 0
    """Recipients of one transaction; the others get 452 4.5.3. 0: any number."""
    drop: dict[str, int] = field(default_factory=dict)
    """By step: how often to drop the connection instead of answering. CONTENT: in the middle of the
    content; `.`: after it was received whole."""
    delay: dict[str, float] = field(default_factory=dict)
    """By step: seconds before the answer."""
    injected: bytes = b""
    """What is sent in clear with the answer to STARTTLS."""


class SmtpSink:
    """Listens on an address of loopback; `context` makes it offer STARTTLS."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        port: int = 0,
        *,
        context: ssl.SSLContext | None = None,
        script: Script | None = None,
    ) -> None:
        self.address = address
        self.port = port
        self.context = context
        self.script = script or Script()
        self.messages: list[Received] = []
        self.commands: list[str] = []
        self.sessions = 0
        self.early = 0
        """Commands that came before the last one was answered, without PIPELINING offered."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.up()

    @property
    def place(self) -> str:
        """`host:port`, as routes have it."""
        return f"{self.address}:{self.port}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server((self.address, self.port), _Handler, self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def down(self) -> None:
        """Refuse connections, and drop those there are."""
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        self._server = None
        self.hang_up()

    def hang_up(self) -> None:
        """Drop all connections."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    close = down

    def contents(self) -> list[bytes]:
        """The contents of all messages."""
        return [each.content for each in self.messages]

    def wait(self, count: int, seconds: float = 30.0) -> list[Received]:
        """Wait until so many messages have come, for tests that are no coroutines."""
        until = time.monotonic() + seconds
        while len(self.messages) < count:
            assert time.monotonic() < until, f"{len(self.messages)} of {count} messages came"
            time.sleep(0.01)
        return self.messages


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, sink: SmtpSink) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.sink = sink
        super().__init__(address, handler)

    def handle_error(self, *args: object) -> None:
        """Clients that hang up are no news."""


class _Dropped(Exception):
    pass


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket
    server: _Server
    mail: str | None
    to: list[str]
    rcpt: list[str]

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sink = self.server.sink
        self.script = self.sink.script
        self.buffer = b""
        self.tls = False
        self.user = ""
        self.helo = ""
        self._forget()
        with self.sink._lock:
            self.sink.sessions += 1
            self.number = self.sink.sessions
            self.sink._open.add(self.request)
        try:
            self._talk()
        except (_Dropped, OSError):
            pass
        finally:
            with self.sink._lock:
                self.sink._open.discard(self.request)
            with contextlib.suppress(OSError):
                self.request.close()

    def _talk(self) -> None:
        if self.script.tls_first:
            self._wrap()
        if not self._answer("GREETING", f"220 {self.script.name} ESMTP"):
            return
        while True:
            line = self._line().decode("utf-8", "replace")
            self.sink.commands.append(line)
            if "PIPELINING" not in self.script.extensions and self.buffer:
                self.sink.early += 1
            verb, _, rest = line.partition(" ")
            handle = getattr(self, f"do_{verb.upper()}", None)
            if handle is None:
                self._send("500 5.5.2 What?")
            elif handle(rest) is False:
                return

    # --- commands ---

    def do_EHLO(self, rest: str) -> None:
        self.helo = rest
        if not self.script.esmtp:
            self._send("502 What is EHLO?")
            return
        offers = list(self.script.extensions)
        if self.sink.context is not None and self.script.starttls and not self.tls:
            offers.append("STARTTLS")
        if self.script.requiretls and self.tls:
            offers.append("REQUIRETLS")
        if self.script.login is not None:
            offers.append("AUTH PLAIN LOGIN")
        lines = [self.script.name, *offers]
        usual = "\r\n".join(
            f"250{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines)
        )
        self._answer("EHLO", usual)

    def do_HELO(self, rest: str) -> None:
        self.helo = rest
        self._answer("HELO", f"250 {self.script.name}")

    def do_STARTTLS(self, rest: str) -> None:
        if self._answer("STARTTLS", "220 2.0.0 Go ahead", self.script.injected):
            self._wrap()
            self.buffer = b""
            self._forget()

    def do_AUTH(self, rest: str) -> None:
        assert self.script.login is not None
        kind, _, initial = rest.partition(" ")
        if kind == "PLAIN":
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            words = []
            for prompt in (b"Username:", b"Password:"):
                self._send(f"334 {base64.b64encode(prompt).decode()}")
                words.append(base64.b64decode(self._line()).decode())
            user, password = words
        good = (user, password) == self.script.login
        if self._answer("AUTH", "235 2.7.0 Welcome" if good else "535 5.7.8 No") and good:
            self.user = user

    def do_MAIL(self, rest: str) -> None:
        if self.script.login is not None and not self.user:
            self._send("530 5.7.0 Log in first")
        elif self._answer("MAIL", "250 2.1.0 Sender ok"):
            self.mail = rest

    def do_RCPT(self, rest: str) -> None:
        if self.mail is None:
            self._send("503 5.5.1 MAIL first")
            return
        address = rest.partition("<")[2].partition(">")[0]
        own = self.script.recipients.get(address)
        usual = "250 2.1.5 Recipient ok"
        if own:
            usual = own[0] if len(own) == 1 else own.pop(0)
        elif self.script.at_most and len(self.to) >= self.script.at_most:
            usual = "452 4.5.3 Too many recipients"
        reply = self._next("RCPT", usual)
        self._reply("RCPT", reply)
        if reply.startswith("2"):
            self.to.append(address)
            self.rcpt.append(rest)

    def do_DATA(self, rest: str) -> None:
        if not self.to:
            self._send("503 5.5.1 RCPT first" if self.mail is None else "554 5.5.1 Nobody to")
            return
        if not self._answer("DATA", "354 Go ahead"):
            return
        content = self._content()
        received = Received(
            (self.mail or "").partition("<")[2].partition(">")[0],
            self.to, content, self.mail or "", self.rcpt, self.tls, self.helo, self.user,
            self.number,
        )  # fmt: skip
        if self.script.drop.get(".", 0):
            # It has the message, and the client will never know.
            self.sink.messages.append(received)
        self._forget()
        reply = self._next(".", "250 2.0.0 Taken")
        if reply.startswith("2"):
            self.sink.messages.append(received)
        self._reply(".", reply)

    def do_RSET(self, rest: str) -> None:
        self._forget()
        self._answer("RSET", "250 2.0.0 Forgotten")

    def do_QUIT(self, rest: str) -> bool:
        self._answer("QUIT", "221 2.0.0 Goodbye")
        return False

    # --- the wire ---

    def _forget(self) -> None:
        self.mail = None
        self.to = []
        self.rcpt = []

    def _wrap(self) -> None:
        assert self.sink.context is not None
        plain = self.request
        self.request = self.sink.context.wrap_socket(plain, server_side=True)
        self.tls = True
        with self.sink._lock:
            self.sink._open.discard(plain)
            self.sink._open.add(self.request)

    def _next(self, step: str, usual: str) -> str:
        left = self.script.drop.get(step, 0)
        if left:
            self.script.drop[step] = left - 1
            raise _Dropped
        scripted = self.script.replies.get(step)
        return scripted.pop(0) if scripted else self.script.always.get(step, usual)

    def _answer(self, step: str, usual: str, more: bytes = b"") -> bool:
        """Answer a step; whether the answer lets the client go on."""
        reply = self._next(step, usual)
        self._reply(step, reply, more)
        return reply[0] in "23"

    def _reply(self, step: str, reply: str, more: bytes = b"") -> None:
        delay = self.script.delay.get(step, 0)
        if delay:
            time.sleep(delay)
        self._send(reply, more)
        if reply.startswith("421"):
            raise _Dropped

    def _send(self, reply: str, more: bytes = b"") -> None:
        self.request.sendall(reply.encode("utf-8", "surrogateescape") + b"\r\n" + more)

    def _receive(self) -> None:
        data = self.request.recv(65536)
        if not data:
            raise _Dropped
        self.buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._receive()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _content(self) -> bytes:
        if self.script.drop.get("CONTENT", 0):
            self.script.drop["CONTENT"] -= 1
            self._receive()
            raise _Dropped
        early = self.script.replies.get("CONTENT")
        if early:
            self._send(early.pop(0))
            raise _Dropped
        data = bytearray(self.buffer)
        while not (data.startswith(b".\r\n") or b"\r\n.\r\n" in data):
            self.buffer = b""
            self._receive()
            data += self.buffer
        if data.startswith(b".\r\n"):
            content, rest = b"", bytes(data[3:])
        else:
            end = data.index(b"\r\n.\r\n")
            content, rest = bytes(data[: end + 2]), bytes(data[end + 5 :])
        self.buffer = rest
        content = content[1:] if content.startswith(b".") else content
        return content.replace(b"\r\n..", b"\r\n.")

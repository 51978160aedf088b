"""Clients that cost little: one epoll, many sockets, scripts that say what to send next.

A script is a generator. It yields what to send and a test whether the answer is whole; it is sent
the answer. The same clients, scripts and sockets measure Workpost and its peers.
"""

from __future__ import annotations

import base64
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Mapping

Whole = Callable[[bytearray], bool]
Script = Generator[tuple[bytes, Whole], bytearray, None]

RECEIVE = 1 << 18


class Unexpected(Exception):
    """A server answered something else than the benchmark needs."""


class Connection:
    """One socket in clear; sending waits, receiving does not.

    `kept` is False for servers that hang up after each answer: what is sent next gets a new socket.
    """

    def __init__(self, port: int, *, kept: bool = True) -> None:
        self.kept = kept
        self.answer = bytearray()
        self.whole: Whole = line
        self._port = port
        self._used = False
        self._open()

    def _open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        if self._used and not self.kept:
            self.close()
            self._open()
        self._used = True
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()


def drive(
    scripts: Mapping[Connection, Script], until: float | None = None, idle: Script | None = None
) -> float:
    """Run every script to its end, or until the clock `time.monotonic` says so; the seconds it
    took. `idle` is not a script of a server: it is stepped at each turn."""
    started = time.perf_counter()
    poll = select.epoll()
    running = {connection.socket.fileno(): (connection, s) for connection, s in scripts.items()}
    for number, (connection, script) in list(running.items()):
        poll.register(number, select.EPOLLIN)
        if not _step(connection, script, None):
            del running[number]
    while running and (until is None or time.monotonic() < until):
        for number, _ in poll.poll(0.2):
            connection, script = running[number]
            data = connection.socket.recv(RECEIVE, socket.MSG_DONTWAIT)
            if not data:
                raise Unexpected(f"hung up after {bytes(connection.answer[-200:])!r}")
            connection.answer += data
            if connection.whole(connection.answer):
                answer, connection.answer = connection.answer, bytearray()
                if not connection.kept:
                    poll.unregister(number)
                    del running[number]
                    if _step(connection, script, answer):
                        poll.register(connection.socket, select.EPOLLIN)
                        running[connection.socket.fileno()] = connection, script
                elif not _step(connection, script, answer):
                    poll.unregister(number)
                    del running[number]
    poll.close()
    return time.perf_counter() - started


def _step(connection: Connection, script: Script, answer: bytearray | None) -> bool:
    try:
        data, connection.whole = next(script) if answer is None else script.send(answer)
    except StopIteration:
        return False
    connection.send(data)
    return True


# --- is the answer whole? -------------------------------------------------------------------------


def line(answer: bytearray) -> bool:
    """One line."""
    return answer.endswith(b"\r\n")


def reply(answer: bytearray) -> bool:
    """One reply of SMTP, of one or more lines."""
    if not answer.endswith(b"\r\n"):
        return False
    at = answer.rfind(b"\n", 0, -2) + 1
    return answer[at + 3 : at + 4] == b" "


def replies(count: int) -> Whole:
    """So many one-line replies of SMTP."""
    return lambda answer: answer.count(b"\r\n") >= count


def response(answer: bytearray) -> bool:
    """A response of HTTP with a Content-Length."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = answer.lower().find(b"content-length:", 0, end)
    return len(answer) >= end + 4 + int(answer[at + 15 : answer.index(b"\r", at)])


def tagged(answer: bytearray) -> bool:
    """Everything up to the tagged response of IMAP; tags are `T` and a space here."""
    if not answer.endswith(b"\r\n"):
        return False
    at = answer.rfind(b"\n", max(0, len(answer) - 1000), -2) + 1
    return answer.startswith(b"T ", at)


# --- scripts --------------------------------------------------------------------------------------


def expect(answer: bytearray, wanted: bytes) -> None:
    """Raise Unexpected when the answer begins otherwise."""
    if not answer.startswith(wanted):
        raise Unexpected(f"{bytes(answer[:300])!r} instead of {wanted!r}")


def smtp_login(user: str, password: str) -> Script:
    """Greeting, EHLO, AUTH PLAIN."""
    expect((yield b"", reply), b"220")
    expect((yield b"EHLO client.example\r\n", reply), b"250")
    secret = base64.b64encode(f"\0{user}\0{password}".encode())
    expect((yield b"AUTH PLAIN " + secret + b"\r\n", reply), b"235")


def smtp_hello(name: str) -> Script:
    """Greeting and EHLO, as another server says them."""
    expect((yield b"", reply), b"220")
    expect((yield f"EHLO {name}\r\n".encode(), reply), b"250")


def submissions(
    sender: str, recipient: str, message: bytes, count: int, took: list[float], *, pipelining: bool
) -> Script:
    """Submit a message so many times, as clients do: with a round trip for each command, or with
    MAIL, RCPT and DATA in one write. Appends the seconds of each to `took`."""
    mail = f"MAIL FROM:<{sender}>\r\n".encode()
    rcpt = f"RCPT TO:<{recipient}>\r\n".encode()
    group = mail + rcpt + b"DATA\r\n"
    content = message + b".\r\n"
    three = replies(3)
    for _ in range(count):
        started = time.perf_counter()
        if pipelining:
            answer = yield group, three
            if b"\r\n354" not in answer:
                raise Unexpected(repr(bytes(answer)))
        else:
            expect((yield mail, reply), b"250")
            expect((yield rcpt, reply), b"250")
            expect((yield b"DATA\r\n", reply), b"354")
        expect((yield content, reply), b"250")
        took.append(time.perf_counter() - started)


def imap_login(user: str, password: str) -> Script:
    """Greeting and LOGIN."""
    expect((yield b"", line), b"* OK")
    check((yield f'T LOGIN "{user}" "{password}"\r\n'.encode(), tagged))


def imap(command: bytes, answers: list[bytearray] | None = None) -> Script:
    """One command of IMAP."""
    answer = yield b"T " + command + b"\r\n", tagged
    check(answer)
    if answers is not None:
        answers.append(answer)


def check(answer: bytearray) -> None:
    """Raise Unexpected unless the tagged response is OK."""
    if b"T OK" not in answer[-1000:]:
        raise Unexpected(repr(bytes(answer[-300:])))


def http(
    requests: Iterable[bytes],
    took: list[float] | None = None,
    failed: list[bytearray] | None = None,
) -> Script:
    """Requests one after the other over one connection; the seconds of each go to `took`.

    Answers other than 200 raise Unexpected, or go to `failed`.
    """
    for request in requests:
        started = time.perf_counter()
        answer = yield request, response
        if took is not None:
            took.append(time.perf_counter() - started)
        if failed is None:
            expect(answer, b"HTTP/1.1 200")
        elif not answer.startswith(b"HTTP/1.1 200"):
            failed.append(answer)


def unverified() -> ssl.SSLContext:
    """TLS to a server with a certificate of its own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

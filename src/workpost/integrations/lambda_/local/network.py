"""A network for one worker in which there is nothing but the API.

The worker has a network namespace of its own: a loopback with one listener, whose connections a
process outside carries on to the API. Listeners of the machine that trust whoever reaches them
(mail from loopback, databases, metrics) are not there, and neither is the internet.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import hashlib
import os
import select
import signal
import socket
import struct

from workpost.integrations.lambda_.local import system

LOOPBACK = "127.0.0.1"
BACKLOG = 64
MOST_CONNECTIONS = 64
PIECE = 65536
CONNECT_SECONDS = 10.0
SOURCES = "127.87.0.0/16"
"""Where connections to this machine's loopback come from: what trusts loopback can tell them."""
_SIOCSIFFLAGS = 0x8914
_UP = 0x1
BUFFERS = "4096 65536 131072"
"""Bytes that a connection in a worker's network may hold each way: least, usual, most."""


def source_of(account: str, arn: str) -> str:
    """The address of a function for an account, by which listeners count its connections."""
    third, fourth = hashlib.sha256(f"{account} {arn}".encode()).digest()[:2]
    return f"127.87.{third}.{fourth}"


def enter(port: int, outside: socket.socket) -> None:
    """Enter a network namespace, and hand its listener out. Raises OSError."""
    system.unshare(system.CLONE_NEWNET)
    for name in ("tcp_rmem", "tcp_wmem"):
        # No other bound counts what sockets hold; by itself the system gives one several megabytes.
        with contextlib.suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w") as file:
            file.write(BUFFERS)
    with socket.socket() as inside:
        fcntl.ioctl(inside, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP))
        inside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        inside.bind((LOOPBACK, port))
        inside.listen(BACKLOG)
        handle = array.array("i", [inside.fileno()])
        outside.sendmsg([b"l"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handle)])


def _receive(inside: socket.socket) -> socket.socket | None:
    """The listener that `enter` hands out, None when it does not come to that."""
    _, handles, _, _ = socket.recv_fds(inside, 1, 1)
    return socket.socket(fileno=handles[0]) if handles else None


class _Pipe:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source = source
        self.target = target
        self.waiting = b""
        self.ended = False


def carry(listener: socket.socket, host: str, port: int, source: str) -> None:
    """Carry connections on until this process is ended."""
    pipes: list[_Pipe] = []
    while True:
        full = len(pipes) >= 2 * MOST_CONNECTIONS
        reading = [each.source for each in pipes if not each.waiting and not each.ended]
        writing = [each.target for each in pipes if each.waiting]
        readable, writable, _ = select.select(
            [*reading, *([] if full else [listener])], writing, []
        )
        if listener in readable:
            pipes += _accept(listener, host, port, source)
        for pipe in pipes:
            if pipe.source in readable and not pipe.waiting:
                _read(pipe)
            if pipe.waiting and (pipe.target in writable or pipe.source in readable):
                _write(pipe)
        pipes = _kept(pipes)


def connect(host: str, port: int, source: str) -> socket.socket:
    """Connect to the API, from `source` where it is on loopback. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # Only IPv4 has more than one address there.
    addresses = [str(each[4][0]) for each in sorted(found, key=lambda each: each[0])]
    for number, address in enumerate(addresses, 1):
        place = (source, 0) if source and address.startswith("127.") else None
        try:
            return socket.create_connection((address, port), CONNECT_SECONDS, place)
        except OSError:
            if number == len(addresses):
                raise
    raise OSError(errno.EADDRNOTAVAIL, "the API has no address")


def _accept(listener: socket.socket, host: str, port: int, source: str) -> list[_Pipe]:
    inner, _ = listener.accept()
    try:
        outer = connect(host, port, source)
    except OSError:
        inner.close()
        return []
    for each in (inner, outer):
        each.setblocking(False)
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return [_Pipe(inner, outer), _Pipe(outer, inner)]


def _read(pipe: _Pipe) -> None:
    try:
        pipe.waiting = pipe.source.recv(PIECE)
    except BlockingIOError:
        return
    except OSError:
        pipe.waiting = b""
    if not pipe.waiting:
        pipe.ended = True
        _end(pipe)


def _end(pipe: _Pipe) -> None:
    try:
        pipe.target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _write(pipe: _Pipe) -> None:
    try:
        pipe.waiting = pipe.waiting[pipe.target.send(pipe.waiting) :]
    except BlockingIOError:
        return
    except OSError:
        # Whoever reads there is gone: nothing of the other direction matters either.
        pipe.waiting = b""
        pipe.ended = True


def _kept(pipes: list[_Pipe]) -> list[_Pipe]:
    """Connections of which a direction is open; the others are closed."""
    kept: list[_Pipe] = []
    for one, other in zip(pipes[::2], pipes[1::2], strict=True):
        if one.ended and other.ended and not one.waiting and not other.waiting:
            one.source.close()
            one.target.close()
        else:
            kept += (one, other)
    return kept


def serve(inside: socket.socket, host: str, port: int, source: str) -> int:
    """Fork a process that carries connections on, once it is given the listener over `inside`.

    Returns its number. To be called before the namespaces are made: among its processes the worker
    could get at it.
    """
    if carrier := os.fork():
        return carrier
    try:
        system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        # Whatever else the minder holds is none of its business, and would seem open to others.
        os.closerange(0, inside.fileno())
        os.closerange(inside.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        listener = _receive(inside)
        if listener is not None:
            carry(listener, host, port, source)
    finally:
        os._exit(0)

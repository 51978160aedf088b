"""Listening sockets, bound by the supervisor before it forks.

Each front end has its own socket per address, all with SO_REUSEPORT, so that the kernel spreads
connections. The supervisor keeps them open: connections that arrive while a front end is being
replaced wait for the next one instead of being refused.

SO_REUSEPORT would let a second server of the same user join in, and each would get some of the
other's connections. So an address is tried without it first.
"""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path

import msgspec

from workpost.kernel.listener_settings import UNIX
from workpost.kernel.listeners import parse_address
from workpost.kernel.settings import Settings

ROLES: dict[str, tuple[str, ...]] = {
    "api": ("http", "https", "acme"),
    "smtp": ("smtp", "submission", "submissions", "lmtp"),
    "imap": ("imap", "imaps", "managesieve"),
}
"""The listeners of each role; `jobs` has none."""

SCHEMES = {"http": "http", "https": "https", "acme": "http"}

JOBS = "jobs"
BACKLOG = 1024
UNIX_MODE = 0o660
"""Of a Unix socket: our own group may come in."""
PATIENCE = 0.5
"""Seconds to wait for the ports of a predecessor that was killed."""


class Listener(msgspec.Struct, frozen=True):
    """One listener of one front end: its sockets, one per configured address."""

    name: str
    sockets: list[socket.socket]


def listeners_of(roles: tuple[str, ...]) -> list[str]:
    """Names of the listeners that these roles need."""
    return [name for role in roles for name in ROLES.get(role, ())]


def bind_all(settings: Settings, roles: tuple[str, ...], count: int) -> list[list[Listener]]:
    """For each of `count` front ends, every listener bound and listening. Raises OSError."""
    fronts: list[list[Listener]] = [[] for _ in range(count)]
    for name in listeners_of(roles):
        rows: list[list[socket.socket]] = [[] for _ in range(count)]
        for text in getattr(settings.listeners, name):
            if text.startswith(UNIX):
                shared = _bind_unix(Path(text.removeprefix(UNIX)))
                for row in rows:
                    row.append(shared.dup())
                shared.close()
                continue
            host, port = parse_address(text)
            if port:
                _be_alone(host, port)
            for row in rows:
                bound = _bind(host, port)
                port = bound.getsockname()[1]
                row.append(bound)
        for front, row in zip(fronts, rows, strict=True):
            if row:
                front.append(Listener(name, row))
    return fronts


def _be_alone(host: str, port: int) -> None:
    """Raises OSError when another server listens there and is not just ending."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            _bind(host, port, shared=False).close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _bind(host: str, port: int, *, shared: bool = True) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        if shared:
            bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"cannot listen at {host}:{port}: {error.strerror}") from None
    return bound


def _bind_unix(path: Path) -> socket.socket:
    """One socket for all front ends, who take turns; what a predecessor left there goes away."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + PATIENCE
    try:
        while path.is_socket() and _answers(path) and time.monotonic() < deadline:
            time.sleep(0.02)
        if path.is_socket() and not _answers(path):
            path.unlink(missing_ok=True)
        bound.bind(str(path))
        path.chmod(UNIX_MODE)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"cannot listen at {path}: {error.strerror}") from None
    return bound


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def remove_unix(settings: Settings, roles: tuple[str, ...]) -> None:
    """Take the names of Unix sockets away; called while they are still bound."""
    for name in listeners_of(roles):
        for text in getattr(settings.listeners, name):
            if text.startswith(UNIX):
                Path(text.removeprefix(UNIX)).unlink(missing_ok=True)


def endpoints(front: list[Listener], pid: int) -> dict[str, object]:
    """What endpoints.json says; the API shares the HTTP listener."""
    found: dict[str, object] = {}
    for listener in front:
        name = listener.sockets[0].getsockname()
        if isinstance(name, str):
            found[listener.name] = f"{UNIX}{name}"
            continue
        host, port = name[:2]
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if listener.name in SCHEMES:
            at = f"{SCHEMES[listener.name]}://{at}"
        if listener.name == "http":
            found["api"] = at
        found[listener.name] = at
    return {**found, "pid": pid}

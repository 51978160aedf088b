"""An IMAP server with a real store on the loop of a thread, and clients that speak to it."""

from __future__ import annotations

import asyncio
import datetime as dt
import imaplib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import pytest

from tests.support.directories import CHEAP, PASSWORD, Directory, new_directory
from tests.support.stores import make_core
from workpost.domain.access import shell as access
from workpost.kernel.clock import Environment, SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.protocols.imap.connection import Connection
from workpost.protocols.imap.limits import Limits
from workpost.protocols.imap.server import ImapServer, ListenerOptions
from workpost.protocols.listening.guard import Guard, GuardLimits
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.store.core import Core
from workpost.store.database.build import open_store

LIMITS = Limits(message=1_000_000, tick=0.05, errors=5)
MESSAGE = (
    b"From: Ada Lovelace <ada@demo.test>\r\n"
    b"To: Grace Hopper <grace@demo.test>\r\n"
    b"Subject: Engines of the day\r\n"
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
    b"Message-ID: <one@demo.test>\r\n"
    b"\r\n"
    b"The engine weaves algebraic patterns.\r\n"
)


def message(subject: str, body: str = "Hello") -> bytes:
    """A small message."""
    header = f"From: ada@demo.test\r\nTo: grace@demo.test\r\nSubject: {subject}\r\n"
    return f"{header}\r\n{body}\r\n".encode()


class Wire:
    """A client that speaks bytes: what it sends is what the test says."""

    def __init__(self, address: tuple[str, int], *, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._file = self.socket.makefile("rb")
        self.greeting = self.line()
        self._tags = map("t{}".format, itertools.count(1))

    def line(self) -> bytes:
        """One line, literals and what follows them included, without its end."""
        found = self._file.readline()
        while found.endswith(b"}\r\n") and b"{" in found:
            size = int(found[found.rindex(b"{") + 1 : -3])
            found += self._file.read(size) + self._file.readline()
        return found.removesuffix(b"\r\n")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until(self, tag: str) -> list[bytes]:
        """Lines up to the tagged one, which is the last."""
        lines = [self.line()]
        while lines[-1] and not lines[-1].startswith(tag.encode() + b" "):
            lines.append(self.line())
        return lines

    def do(self, command: str | bytes) -> list[bytes]:
        """Untagged lines, and the tagged one without its tag."""
        tag = next(self._tags)
        data = command.encode() if isinstance(command, str) else command
        self.send(tag.encode() + b" " + data + b"\r\n")
        lines = self.until(tag)
        lines[-1] = lines[-1].removeprefix(tag.encode() + b" ")
        return lines

    def ok(self, command: str | bytes) -> list[bytes]:
        """As `do`, and it must succeed; returns the untagged lines."""
        *lines, last = self.do(command)
        assert last.startswith(b"OK"), last
        return lines

    def append(self, raw: bytes, folder: str = "INBOX", how: str = "") -> bytes:
        """APPEND with a non-synchronizing literal."""
        *_, last = self.do(f"APPEND {folder} {how}{{{len(raw)}+}}\r\n".encode() + raw)
        assert last.startswith(b"OK"), last
        return last

    def at_end(self) -> bool:
        return self._file.readline() == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


class World:
    """Core and listeners on the loop of a thread; `run` works on that loop."""

    core: Core
    demo: Directory
    servers: dict[str, ImapServer]

    def __init__(
        self, settings: Settings, certificate: Any, env: Environment | None = None
    ) -> None:
        self._env = env or SystemEnvironment()
        self._settings = msgspec.structs.replace(settings, passwords=CHEAP)
        self._certificate = certificate
        self._ready = threading.Event()
        self._names = map("person{}".format, itertools.count(1))
        names = ("plain", "tls", "strict")
        self._sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
        self.addresses = {n: s.getsockname() for n, s in self._sockets.items()}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(30)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        env = self._env
        store = await open_store(self._settings, env)
        self.core = make_core(store, self._settings, env)
        self.demo = await new_directory(self.core)
        certificates = Certificates(self._certificate)
        shared = Shared(guard=Guard(GuardLimits(peer_free=1_000)))
        options = {
            "plain": ListenerOptions(plaintext_auth=True, limits=LIMITS),
            "tls": ListenerOptions(implicit_tls=True, limits=LIMITS),
            "strict": ListenerOptions(limits=LIMITS),
        }
        self.servers = {
            name: ImapServer(self.core, access, each, shared, certificates=certificates)
            for name, each in options.items()
        }
        for name, server in self.servers.items():
            await server.start([self._sockets[name]])
        self._ready.set()
        await self._stopping.wait()
        for server in self.servers.values():
            await server.stop(1)
        await store.close()
        await self.core.keys.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(30)

    def person(self) -> str:
        """The address of a new person with an empty mailbox and PASSWORD."""
        name = next(self._names)
        self.run(self.demo.user(name))
        return f"{name}@{self.demo.domain}"

    async def enter(self, user: str) -> Grant:
        """A grant to the mailbox of `user`."""
        password = PASSWORD.encode()
        return await access.log_in(
            self.core, username=user, password=password, protocol="IMAP", address="127.0.0.1"
        )

    def grant(self, user: str) -> Grant:
        grant: Grant = self.run(self.enter(user))
        return grant

    def connection_of(self, wire: Wire) -> Connection:
        """The server's side of a client."""
        port = wire.socket.getsockname()[1]
        [found] = [
            connection
            for server in self.servers.values()
            for connection in server._connections
            if connection._transport.get_extra_info("peername")[1] == port
        ]
        return found


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tls")
    return ensure_self_signed(folder, "localhost", dt.datetime.now(dt.UTC))


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, certificate: Any) -> Iterator[World]:
    data = tmp_path_factory.mktemp("imap")
    built = World(Settings(data_dir=str(data)), certificate)
    yield built
    built.close()


@pytest.fixture
def trust(certificate: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.parent / "self-signed.crt")


@pytest.fixture
def user(world: World) -> str:
    return world.person()


@pytest.fixture
def connect(world: World) -> Iterator[Callable[..., Wire]]:
    """A new connection; closed at the end."""
    made: list[Wire] = []

    def make(name: str = "plain", *, tls: ssl.SSLContext | None = None) -> Wire:
        made.append(Wire(world.addresses[name], tls=tls))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def log_in(connect: Callable[..., Wire], user: str) -> Callable[..., Wire]:
    """A connection that has logged in as `user` and, if named, selected a folder."""

    def make(folder: str = "", how: str = "SELECT") -> Wire:
        made = connect()
        made.ok(f'LOGIN {user} "{PASSWORD}"')
        if folder:
            made.ok(f"{how} {folder}")
        return made

    return make


@pytest.fixture
def client(world: World, user: str) -> Iterator[imaplib.IMAP4]:
    """The standard library's client, logged in."""
    host, port = world.addresses["plain"]
    with imaplib.IMAP4(host, port, timeout=30) as made:
        made.login(user, PASSWORD)
        yield made

"""A ManageSieve server with a real store on the loop of a thread, and a client of bytes."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
import pytest

from tests.support.directories import CHEAP, Directory, new_directory
from tests.support.managesieve import Wire, plain
from tests.support.stores import make_core
from workpost.domain.access import shell as access
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.protocols.listening.guard import Guard, GuardLimits
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.protocols.managesieve.limits import Limits
from workpost.protocols.managesieve.server import ListenerOptions, ManageSieveServer
from workpost.store.core import Core
from workpost.store.database.build import open_store

LIMITS = Limits(script=10_000, tick=0.05, authentications=3, errors=5)


class World:
    """Core and listeners on the loop of a thread; `run` works on that loop."""

    core: Core
    demo: Directory

    def __init__(self, settings: Settings, certificate: Any) -> None:
        self._settings = msgspec.structs.replace(settings, passwords=CHEAP)
        self._certificate = certificate
        self._ready = threading.Event()
        self._count = 0
        self._sockets = {
            name: socket.create_server(("127.0.0.1", 0)) for name in ("plain", "strict")
        }
        self.addresses = {n: s.getsockname() for n, s in self._sockets.items()}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(30)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        env = SystemEnvironment()
        store = await open_store(self._settings, env)
        self.core = make_core(store, self._settings, env)
        self.demo = await new_directory(self.core)
        shared = Shared(guard=Guard(GuardLimits(peer_free=1_000)))
        certificates = Certificates(self._certificate)
        self.servers = {
            name: ManageSieveServer(
                self.core,
                access,
                ListenerOptions(plaintext_auth=name == "plain", limits=LIMITS),
                shared,
                certificates=certificates,
            )
            for name in self._sockets
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
        """The address of a new person with PASSWORD."""
        self._count += 1
        self.run(self.demo.user(f"person{self._count}"))
        return f"person{self._count}@{self.demo.domain}"


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tls")
    return ensure_self_signed(folder, "localhost", dt.datetime.now(dt.UTC))


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, certificate: Any) -> Iterator[World]:
    built = World(Settings(data_dir=str(tmp_path_factory.mktemp("sieve"))), certificate)
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

    def make(name: str = "plain") -> Wire:
        made.append(Wire(world.addresses[name]))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def log_in(connect: Callable[..., Wire], user: str) -> Callable[..., Wire]:
    """A connection that has authenticated as `user`."""

    def make() -> Wire:
        made = connect()
        made.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')
        return made

    return make

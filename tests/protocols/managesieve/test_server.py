"""What a listener does beside commands: time, room, and the end."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.protocols.managesieve.conftest import World
from tests.support.managesieve import Wire, plain
from workpost.domain.access import shell as access
from workpost.kernel.errors import TryLater
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.proxy import Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.managesieve import commands
from workpost.protocols.managesieve.limits import Limits
from workpost.protocols.managesieve.server import ListenerOptions, ManageSieveServer

Dial = Callable[[tuple[str, int]], Wire]
Make = Callable[..., tuple[ManageSieveServer, tuple[str, int]]]


@pytest.fixture
def make(world: World) -> Any:
    """Further servers of the same world, stopped at the end."""
    made: list[ManageSieveServer] = []

    def start(
        *, peers: int = 100, certificates: Any = None, proxies: Proxies | None = None, **limits: Any
    ) -> tuple[ManageSieveServer, tuple[str, int]]:
        bound = socket.create_server(("127.0.0.1", 0))
        options = ListenerOptions(
            plaintext_auth=True, limits=Limits(tick=0.02, **limits), proxies=proxies or Proxies()
        )
        server = ManageSieveServer(
            world.core,
            access,
            options,
            Shared(peers=PeerCounter(each=peers)),
            certificates=certificates,
        )
        world.run(server.start([bound]))
        made.append(server)
        return server, bound.getsockname()

    yield start
    for server in made:
        world.run(server.stop(0.1))


@pytest.fixture
def dial() -> Iterator[Callable[[tuple[str, int]], Wire]]:
    """Clients that are closed at the end."""
    made: list[Wire] = []

    def connect(address: tuple[str, int]) -> Wire:
        made.append(Wire(address))
        return made[-1]

    yield connect
    for wire in made:
        wire.close()


def last(wire: Wire) -> bytes:
    return wire.answer()[-1]


def test_who_does_not_log_in_in_time_is_sent_away(make: Make, dial: Dial) -> None:
    _, address = make(login=0.1)
    wire = dial(address)
    assert last(wire).startswith(b"BYE")
    assert wire.at_end()


def test_who_is_idle_is_sent_away(make: Make, dial: Dial, user: str) -> None:
    _, address = make(idle=0.1)
    wire = dial(address)
    wire.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')
    assert last(wire).startswith(b"BYE")
    assert wire.at_end()


def test_connections_of_one_peer_are_bounded(make: Make, dial: Dial) -> None:
    _, address = make(peers=1)
    first = dial(address)
    second = socket.create_connection(address, timeout=30)
    assert second.recv(100).startswith(b"BYE (TRYLATER)")
    second.close()
    first.ok("NOOP")


def test_a_server_that_stops_says_so_and_finishes_what_is_under_way(
    world: World, make: Make, dial: Dial, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, address = make()
    idle, busy = dial(address), dial(address)
    busy.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')
    entered = asyncio.Event()
    served = commands.COMMANDS["LISTSCRIPTS"].serve

    async def slow(*arguments: Any) -> bytes:
        entered.set()
        await asyncio.sleep(0.2)
        return await served(*arguments)

    handler = commands.COMMANDS["LISTSCRIPTS"]._replace(serve=slow)
    monkeypatch.setitem(commands.COMMANDS, "LISTSCRIPTS", handler)
    busy.socket.sendall(b"LISTSCRIPTS\r\n")
    world.run(asyncio.wait_for(entered.wait(), 30))
    world.run(server.stop(5))
    assert last(idle).startswith(b"BYE")
    assert last(busy).startswith(b"OK")
    assert last(busy).startswith(b"BYE")


def test_faults_of_ours_are_answered_and_the_session_goes_on(
    make: Make, dial: Dial, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = make()
    wire = dial(address)
    wire.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')

    async def later(*_: Any) -> bytes:
        raise TryLater("The store is busy.")

    async def broken(*_: Any) -> bytes:
        raise RuntimeError("a bug")

    for serve, wanted in ((later, b"NO (TRYLATER)"), (broken, b"NO ")):
        handler = commands.COMMANDS["LISTSCRIPTS"]._replace(serve=serve)
        monkeypatch.setitem(commands.COMMANDS, "LISTSCRIPTS", handler)
        assert wire.no("LISTSCRIPTS").startswith(wanted)
    wire.ok("NOOP")


def test_without_a_certificate_there_is_no_starttls(make: Make, dial: Dial) -> None:
    _, address = make()
    wire = dial(address)
    assert b'"STARTTLS"' not in wire.greeting
    wire.no("STARTTLS")


def test_a_client_that_hangs_up_leaves_nothing_behind(make: Make, dial: Dial) -> None:
    server, address = make()
    dial(address).close()
    wire = dial(address)
    wire.socket.sendall(b'NOOP "1"\r\n')
    wire.socket.shutdown(socket.SHUT_WR)
    assert last(wire).startswith(b"OK")
    assert wire.at_end()
    deadline = time.monotonic() + 30
    while server._connections:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_proxy_names_the_client(make: Make, dial: Dial, user: str) -> None:
    server, address = make(proxies=Proxies(["127.0.0.0/8"]))
    raw = socket.create_connection(address, timeout=30)
    raw.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 4190\r\n")
    assert raw.recv(10)
    assert {one.peer for one in server._connections} == {"192.0.2.7"}
    raw.close()


def test_limits_are_taken_up_at_the_next_login(make: Make, dial: Dial, user: str) -> None:
    server, address = make()
    server.adjust(Limits(script=10, tick=0.02))
    wire = dial(address)
    wire.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')
    assert wire.put("a", "keep; keep;")[-1].startswith(b"NO (QUOTA/MAXSIZE)")

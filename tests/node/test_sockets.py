"""Listening sockets: one for each front end and address, and what endpoints.json says of them."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from workpost.kernel.listener_settings import Listeners
from workpost.kernel.settings import Settings, with_random_ports
from workpost.node import sockets
from workpost.node.sockets import Listener


def settings(**listeners: tuple[str, ...]) -> Settings:
    start = with_random_ports(Settings())
    return msgspec.structs.replace(
        start, listeners=msgspec.structs.replace(start.listeners, **listeners)
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: its long name does not fit a Unix socket's.
    made = Path(tempfile.mkdtemp(prefix="wp-"))
    yield made
    shutil.rmtree(made)


def close(fronts: list[list[Listener]]) -> None:
    for listener in (listener for front in fronts for listener in front):
        for bound in listener.sockets:
            bound.close()


def test_front_ends_share_each_port() -> None:
    fronts = sockets.bind_all(settings(), ("imap",), 2)
    ports = [[one.sockets[0].getsockname()[1] for one in front] for front in fronts]
    assert ports[0] == ports[1]
    assert [one.name for one in fronts[0]] == ["imap", "imaps", "managesieve"]
    close(fronts)


def test_roles_bring_their_listeners() -> None:
    assert sockets.listeners_of(("api", "jobs")) == ["http", "https", "acme"]
    assert sockets.listeners_of(("smtp",)) == ["smtp", "submission", "submissions", "lmtp"]
    assert sockets.listeners_of(("jobs",)) == []


def test_a_listener_may_have_several_addresses_and_v6() -> None:
    given = settings(imap=("127.0.0.1:0", "[::1]:0"), imaps=(), managesieve=())
    fronts = sockets.bind_all(given, ("imap",), 1)
    (listener,) = fronts[0]
    assert [one.family for one in listener.sockets] == [socket.AF_INET, socket.AF_INET6]
    close(fronts)


def test_endpoints_name_addresses_as_urls_where_they_are_web() -> None:
    fronts = sockets.bind_all(settings(imap=("[::1]:0",)), ("api", "imap"), 1)
    told = sockets.endpoints(fronts[0], 42)
    assert told["pid"] == 42
    assert str(told["api"]).startswith("http://127.0.0.1:")
    assert str(told["https"]).startswith("https://127.0.0.1:")
    assert str(told["imap"]).startswith("[::1]:")
    assert set(told) == {"api", "http", "https", "imap", "imaps", "managesieve", "pid"}
    close(fronts)


def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="cannot listen at") as refused:
            sockets.bind_all(settings(imap=(at,)), ("imap",), 1)
    assert at in str(refused.value)


def test_a_predecessor_that_is_just_ending_is_waited_for() -> None:
    running = sockets.bind_all(settings(), ("imap",), 1)
    at = str(sockets.endpoints(running[0], 42)["imap"])
    ending = threading.Timer(0.1, close, [running])
    ending.start()
    close(sockets.bind_all(settings(imap=(at,)), ("imap",), 1))
    ending.join()


def test_the_port_of_another_server_is_taken_too() -> None:
    """It listens with SO_REUSEPORT, and would share its connections with us."""
    running = sockets.bind_all(settings(), ("imap",), 1)
    at = str(sockets.endpoints(running[0], 42)["imap"])
    with pytest.raises(OSError, match=f"cannot listen at {at}"):
        sockets.bind_all(settings(imap=(at,)), ("imap",), 1)
    close(running)
    close(sockets.bind_all(settings(imap=(at,)), ("imap",), 2))


def test_front_ends_take_turns_at_a_unix_socket(folder: Path) -> None:
    at = folder / "lmtp"
    chosen = settings(smtp=(), submission=(), submissions=(), lmtp=(f"unix:{at}",))
    fronts = sockets.bind_all(chosen, ("smtp",), 2)
    assert sockets.endpoints(fronts[0], 42) == {"lmtp": f"unix:{at}", "pid": 42}
    assert at.stat().st_mode & 0o777 == 0o660
    for front in fronts:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(at))
            accepted, _ = front[0].sockets[0].accept()
            accepted.close()
    sockets.remove_unix(chosen, ("smtp",))
    assert not at.exists()
    close(fronts)


def test_a_unix_socket_that_was_left_behind_is_replaced(folder: Path) -> None:
    at = folder / "lmtp"
    chosen = settings(smtp=(), submission=(), submissions=(), lmtp=(f"unix:{at}",))
    close(sockets.bind_all(chosen, ("smtp",), 1))
    assert at.is_socket()
    fronts = sockets.bind_all(chosen, ("smtp",), 1)
    with pytest.raises(OSError, match="cannot listen at .*/lmtp"):
        sockets.bind_all(chosen, ("smtp",), 1)
    close(fronts)
    at.unlink()
    at.write_text("somebody's file")
    with pytest.raises(OSError, match="cannot listen at .*/lmtp"):
        sockets.bind_all(chosen, ("smtp",), 1)
    assert at.read_text() == "somebody's file"


def test_random_ports_leave_unix_sockets_where_they_are() -> None:
    start = Settings(listeners=Listeners(lmtp=("127.0.0.1:24", "unix:/run/lmtp"), proxies=("::1",)))
    moved = with_random_ports(start).listeners
    assert moved.lmtp == ("127.0.0.1:0", "unix:/run/lmtp")
    assert moved.proxies == ("::1",)
    assert moved.imap == ("127.0.0.1:0",)

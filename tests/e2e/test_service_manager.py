"""What `workpost serve` owes to whoever starts it: readiness, and no death by a reload."""

import os
import signal
import smtplib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.server import Server

PATIENCE = 30.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager, as systemd puts it into NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(2 * PATIENCE)
        yield line


@pytest.mark.parametrize("options", [(), ("--inline",)], ids=["processes", "inline"])
def test_the_service_manager_hears_when_every_listener_accepts(
    make_server: MakeServer, manager: socket.socket, options: tuple[str, ...]
) -> None:
    server = make_server("data", *options, env={"NOTIFY_SOCKET": manager.getsockname()})
    server.start(wait=False)
    assert manager.recv(100) == b"READY=1"
    assert server.told["pid"] == server.pid
    for listener in ("imap", "smtp", "http"):
        socket.create_connection(server.address(listener), timeout=PATIENCE).close()


def test_the_service_manager_hears_that_the_server_stops(
    make_server: MakeServer, manager: socket.socket
) -> None:
    server = make_server(env={"NOTIFY_SOCKET": manager.getsockname()}).start()
    assert manager.recv(100) == b"READY=1"
    assert server.stop() == 0
    assert manager.recv(100) == b"STOPPING=1"


def test_a_service_manager_that_has_gone_is_no_reason_not_to_serve(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(env={"NOTIFY_SOCKET": str(tmp_path / "nobody")}).start()
    assert server.stop() == 0
    assert "the service manager could not be told" in server.last_words


def test_sighup_while_front_ends_start_kills_none_of_them(make_server: MakeServer) -> None:
    server = make_server(env={"WORKPOST_PROCESSES__FRONT_ENDS": "2"}).start()
    for front_end in server.front_ends:
        os.kill(front_end, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while server.last_words.count("live settings and certificates were read anew") < 2:
        os.kill(server.pid, signal.SIGHUP)
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.05)
    assert server.last_words.count("a process died and is replaced") == 2


def test_a_front_end_that_is_replaced_has_the_settings_of_the_last_sighup(
    make_server: MakeServer, tmp_path: Path
) -> None:
    configuration = tmp_path / "workpost.toml"
    configuration.write_text("")
    server = make_server(
        "data", "--config", str(configuration), env={"WORKPOST_PROCESSES__FRONT_ENDS": "1"}
    ).start()
    configuration.write_text("[limits]\nmessage_bytes = 1234567\n")
    os.kill(server.pid, signal.SIGHUP)
    until_size(server, "1234567")
    (old,) = server.front_ends
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while server.front_ends in ([], [old]):
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.05)
    until_size(server, "1234567")


def until_size(server: Server, size: str) -> None:
    """Wait until what accepts at the SMTP listener announces this size."""
    deadline = time.monotonic() + PATIENCE
    while announced_size(server) != size:
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.05)


def announced_size(server: Server) -> str:
    try:
        with smtplib.SMTP(*server.address("smtp"), timeout=PATIENCE) as client:
            client.ehlo("client.example")
            return client.esmtp_features["size"]
    except (OSError, smtplib.SMTPException):
        return "nobody there"

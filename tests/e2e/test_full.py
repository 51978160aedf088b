"""All places taken by strangers: whoever can log in gets in, and mail that comes in is not cut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.server import Server
from workpost.protocols.listening.peers import SHARE

PLACES = 10
PATIENCE = 60.0

FAREWELLS = {
    "smtp": b"421 4.7.0 Too many connections\r\n",
    "submission": b"421 4.7.0 Too many connections\r\n",
    "imap": b"* BYE Too many connections\r\n",
    "managesieve": b'BYE (TRYLATER) "Too many connections"\r\n',
    "api": b"",
    "imaps": b"",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One front end with few places."""
    few = {
        "WORKPOST_LIMITS__SESSIONS": str(PLACES),
        "WORKPOST_PROCESSES__FRONT_ENDS": "1",
    }
    started = Server(tmp_path_factory.mktemp("full") / "data", env=few).start()
    yield started
    started.kill()


class Stranger:
    """A connection from an address of its own, which has heard the greeting if there is one."""

    def __init__(self, server: Server, listener: str, number: int) -> None:
        self.socket = socket.create_connection(
            server.address(listener), PATIENCE, source_address=(f"127.0.7.{number}", 0)
        )
        self.file = self.socket.makefile("rb")
        if listener not in ("api", "imaps"):
            while self.file.readline().startswith(b'"'):
                pass

    def say(self, text: str) -> bytes:
        """The first line of the answer."""
        self.socket.sendall(text.encode() + b"\r\n")
        return self.file.readline()

    def begin_message(self, server: Server) -> bytes:
        """The answer to DATA, for a message to a person of ours."""
        assert self.say("HELO client.example").startswith(b"250")
        assert self.say("MAIL FROM:<>").startswith(b"250")
        assert self.say(f"RCPT TO:<ada@{server.account['domain']}>").startswith(b"250")
        return self.say("DATA")

    def rest(self) -> bytes:
        """What was said until it was hung up on."""
        return self.file.read()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Strangers:
    """As many as are wanted, each from another address; all are closed at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stack = ExitStack()
        self._made = 0

    def come(self, count: int, listener: str) -> list[Stranger]:
        new = []
        for _ in range(count):
            self._made += 1
            new.append(Stranger(self._server, listener, self._made))
            self._stack.callback(new[-1].close)
        return new

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def strangers(server: Server) -> Iterator[Strangers]:
    made = Strangers(server)
    yield made
    made.close()


@pytest.mark.parametrize("listener", FAREWELLS)
def test_people_get_the_places_of_idle_strangers(
    server: Server, strangers: Strangers, listener: str
) -> None:
    idle = strangers.come(PLACES, listener)
    with server.imapclient("ada") as imap, server.smtp("ada") as sender:
        imap.select_folder("INBOX")
        assert idle[0].rest() == FAREWELLS[listener]
        # Whoever comes now takes strangers' places only.
        strangers.come(PLACES, listener)
        assert sender.noop()[0] == 250
        imap.noop()


def test_a_message_on_its_way_in_is_not_cut(server: Server, strangers: Strangers) -> None:
    (mx,) = strangers.come(1, "smtp")
    assert mx.begin_message(server).startswith(b"354")
    mx.socket.sendall(b"Subject: Slowly\r\n\r\nA first line\r\n")
    strangers.come(PLACES, "imap")
    with server.imapclient("ada") as imap, server.smtp("ada"):
        strangers.come(PLACES, "smtp")
        assert mx.say("A last line\r\n.").startswith(b"250")
        imap.noop()


def test_messages_that_never_end_leave_people_a_share(server: Server, strangers: Strangers) -> None:
    slow = strangers.come(PLACES, "smtp")
    begun = [each.begin_message(server)[:3] for each in slow]
    held = PLACES - PLACES // SHARE
    assert begun == [b"354"] * held + [b"421"] * (PLACES - held)
    with server.imapclient("ada") as imap, server.smtp("ada") as sender:
        imap.noop()
        assert sender.noop()[0] == 250

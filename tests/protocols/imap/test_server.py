"""Stopping, refusing, failing: what happens when things do not go well."""

import asyncio
import socket

import msgspec
import pytest

from tests.protocols.imap.conftest import MESSAGE, World, message
from tests.protocols.imap.test_session import wait_until
from tests.support.directories import PASSWORD
from workpost.domain.access import shell as access
from workpost.domain.messages import removing
from workpost.domain.messages import shell as messages
from workpost.kernel.errors import AccessDenied, Fault, TryLater
from workpost.protocols.imap.errors import refusal
from workpost.protocols.imap.server import ImapServer, ListenerOptions
from workpost.protocols.listening.limits import ByteBudget
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.shared import Shared


class Client:
    """A client on the loop of the world, for servers of a test's own."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def lines(self, data: bytes, until: bytes) -> list[bytes]:
        self.writer.write(data)
        found: list[bytes] = []
        while not found or not (found[-1].startswith(until) or found[-1] == b""):
            found.append((await asyncio.wait_for(self.reader.readline(), 30)).strip())
        return found


async def start(world: World, shared: Shared | None = None) -> tuple[ImapServer, Client]:
    server, address = await listen(world, shared)
    client = Client(await asyncio.open_connection(*address))
    await client.lines(b"", b"* ")
    return server, client


async def listen(world: World, shared: Shared | None = None) -> tuple[ImapServer, tuple[str, int]]:
    bound = socket.create_server(("127.0.0.1", 0))
    options = ListenerOptions(plaintext_auth=True)
    server = ImapServer(world.core, access, options, shared or Shared(), certificates=None)
    await server.start([bound])
    return server, bound.getsockname()


class TestStopping:
    def test_idle_sessions_are_told(self, world):
        async def play() -> None:
            server, client = await start(world)
            await server.stop(1)
            assert await client.lines(b"", b"* BYE") == [b"* BYE The server is stopping"]
            client.writer.close()

        world.run(play())

    def test_a_command_under_way_is_finished(self, world, user, monkeypatch):
        append, begun, go = messages.append, asyncio.Event(), asyncio.Event()

        async def slow(*args, **kwargs):
            begun.set()
            await go.wait()
            return await append(*args, **kwargs)

        monkeypatch.setattr(messages, "append", slow)

        async def play() -> None:
            server, client = await start(world)
            await client.lines(f'a LOGIN {user} "{PASSWORD}"\r\n'.encode(), b"a ")
            client.writer.write(b"b APPEND INBOX {3+}\r\nx\r\n\r\n")
            await begun.wait()
            stopping = asyncio.create_task(server.stop(5))
            await asyncio.sleep(0)
            go.set()
            await stopping
            lines = await client.lines(b"", b"* BYE")
            assert lines[0].startswith(b"b OK [APPENDUID")
            client.writer.close()

        world.run(play())

    def test_what_does_not_end_is_cut(self, world, user, monkeypatch):
        begun = asyncio.Event()

        async def stuck(*args, **kwargs):
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(messages, "append", stuck)

        async def play() -> None:
            server, client = await start(world)
            await client.lines(f'a LOGIN {user} "{PASSWORD}"\r\n'.encode(), b"a ")
            client.writer.write(b"b APPEND INBOX {1+}\r\nx\r\n")
            await begun.wait()
            await server.stop(0.05)
            assert (await client.lines(b"", b"* BYE"))[-1] in (b"", b"* BYE The server is stopping")
            client.writer.close()

        world.run(play())

    def test_a_listener_with_tls_needs_a_certificate(self, world):
        async def play() -> None:
            options = ListenerOptions(implicit_tls=True)
            server = ImapServer(world.core, access, options, Shared(), certificates=None)
            with pytest.raises(ValueError, match="certificate"):
                await server.start([])

        world.run(play())


class TestBounds:
    def test_too_many_connections(self, world):
        async def play() -> None:
            shared = Shared(peers=PeerCounter(each=1))
            server, address = await listen(world, shared)
            first = Client(await asyncio.open_connection(*address))
            assert (await first.lines(b"", b"*"))[0].startswith(b"* OK")
            second = Client(await asyncio.open_connection(*address))
            assert await second.lines(b"", b"*") == [b"* BYE Too many connections"]
            server.draining = True
            first.writer.write(b"a LOGOUT\r\n")
            third = Client(await asyncio.open_connection(*address))
            assert await third.lines(b"", b"*") == [b"* BYE The server is stopping"]
            await server.stop(1)
            for client in (first, second, third):
                client.writer.close()

        world.run(play())

    def test_messages_on_their_way_in_share_a_budget(self, world, user):
        async def play() -> None:
            shared = Shared(budget=ByteBudget(150_000))
            server, client = await start(world, shared)
            await client.lines(f'a LOGIN {user} "{PASSWORD}"\r\n'.encode(), b"a ")
            raw = message("Fits", "x" * 150_000)
            lines = await client.lines(b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(raw), raw), b"b ")
            assert lines[-1].startswith(b"b OK")
            assert shared.budget.used == 0
            raw = message("Does not", "x" * 400_000)
            client.writer.write(b"c APPEND INBOX {%d+}\r\n%b" % (len(raw), raw))
            try:
                assert (await client.lines(b"", b"* BYE"))[-1].startswith(b"* BYE Too much mail")
            except ConnectionError:
                pass
            await server.stop(1)
            assert shared.budget.used == 0
            client.writer.close()

        world.run(play())

    def test_a_client_that_only_sends_is_not_read_without_end(self, log_in, world):
        wire = log_in()
        wire.append(message("Big", "x" * 900_000))
        wire.ok("SELECT INBOX")
        connection = world.connection_of(wire)
        wire.socket.setblocking(False)
        try:
            for _ in range(100_000):
                wire.socket.send(b"a FETCH 1 BODY.PEEK[]\r\n" * 100)
        except BlockingIOError:
            pass
        wait_until(lambda: connection._reading_paused)
        assert connection.framer.buffered < 1_000_000


class TestFailures:
    def test_a_stale_grant_is_renewed_once(self, log_in, world):
        wire = log_in("INBOX")
        wire.append(MESSAGE)
        session = world.connection_of(wire).session
        for command in ("FETCH 1 UID", "STATUS INBOX (MESSAGES)", "STORE 1 FLAGS.SILENT ()"):
            session.grant = msgspec.structs.replace(session.grant, policy_version=999)
            wire.ok(command)
            assert session.grant.policy_version != 999

    def test_who_may_not_stay_is_told(self, log_in, world, monkeypatch):
        wire = log_in("INBOX")
        session = world.connection_of(wire).session
        session.grant = msgspec.structs.replace(session.grant, policy_version=999)

        async def refuse(*args):
            raise AccessDenied

        monkeypatch.setattr(access, "renew", refuse)
        wire.send(b"a NOOP\r\n")
        assert wire.line() == b"* BYE Please log in again"
        assert wire.at_end()

    def test_a_temporary_failure_of_access_ends_no_session(self, log_in, world, monkeypatch):
        wire = log_in("INBOX")
        monkeypatch.setattr("workpost.protocols.imap.session.RETRY_AFTER", 0.01)
        renew, tried = access.renew, []

        async def fail_once(core, grant):
            tried.append(1)
            if len(tried) == 1:
                raise TryLater
            return await renew(core, grant)

        monkeypatch.setattr(access, "renew", fail_once)
        world.person()
        wait_until(lambda: len(tried) > 1)
        wire.ok("NOOP")

    def test_news_that_cannot_be_had_now_come_later(self, log_in, world, monkeypatch):
        monkeypatch.setattr("workpost.protocols.imap.session.RETRY_AFTER", 0.01)
        wire, other = log_in("INBOX"), log_in()
        wire.send(b"a IDLE\r\n")
        assert wire.line() == b"+ idling"
        changes_since, tried = messages.changes_since, []

        async def fail_once(*args):
            tried.append(1)
            if len(tried) == 1:
                raise TryLater
            return await changes_since(*args)

        monkeypatch.setattr(messages, "changes_since", fail_once)
        other.append(MESSAGE)
        assert wire.line() == b"* 1 EXISTS"

    @pytest.mark.parametrize(
        ("error", "answer"),
        [
            (TryLater("Later."), b"NO [UNAVAILABLE] Later."),
            (Fault("Broken."), b"NO [SERVERBUG] Internal error, reported to the administrator"),
            (ZeroDivisionError(), b"NO [SERVERBUG] Internal error, reported to the administrator"),
        ],
    )
    def test_a_command_that_fails_says_no(self, log_in, monkeypatch, error, answer):
        wire = log_in("INBOX")

        async def fail(*args):
            raise error

        monkeypatch.setattr(removing, "expunge", fail)
        assert wire.do("EXPUNGE")[-1] == answer
        wire.ok("NOOP")

    def test_a_bug_while_telling_ends_the_session(self, log_in, monkeypatch):
        wire = log_in("INBOX")

        async def fail(*args):
            raise ZeroDivisionError

        monkeypatch.setattr(messages, "changes_since", fail)
        wire.send(b"a NOOP\r\n")
        assert wire.line() == b"* BYE Internal error, reported to the administrator"

    def test_a_content_that_breaks_off_ends_the_session(self, log_in, monkeypatch):
        wire = log_in()
        wire.append(message("Large", "x" * 600_000))
        wire.ok("SELECT INBOX")
        read, calls = messages.read_content, []

        async def fail_later(*args):
            calls.append(1)
            if len(calls) > 1:
                raise TryLater
            return await read(*args)

        monkeypatch.setattr(messages, "read_content", fail_later)
        wire.send(b"a FETCH 1 BODY.PEEK[]\r\n")
        assert wire._file.read().count(b"x") < 600_000

    def test_every_domain_error_has_an_answer(self):
        assert refusal(TryLater()).code == "UNAVAILABLE"
        assert refusal(Fault("secret detail")).text.startswith("Internal error")

    def test_a_client_that_gives_up_during_sasl(self, connect, world):
        wire = connect()
        connection = world.connection_of(wire)
        wire.send(b"a AUTHENTICATE PLAIN\r\n")
        assert wire.line() == b"+ "
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.at_end()
        wait_until(lambda: not connection.busy)

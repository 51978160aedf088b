"""The transport side: time, memory, peers that leave or do not read, and stopping in order."""

import asyncio
import socket
import time
from typing import Any

import pytest

from tests.protocols.smtp.harness import HOST, Client, Mailroom, Pipe, Running
from workpost.protocols.listening.connection import INPUT_HIGH
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates
from workpost.protocols.smtp import dialogue
from workpost.protocols.smtp.connection import OUTPUT_HIGH, Connection
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.session import Role

ENVELOPE = b"EHLO client.test\r\nMAIL FROM:<ada@a.test>\r\nRCPT TO:<grace@a.test>\r\n"


def begin(client: Client) -> None:
    assert client.ask_all(ENVELOPE + b"DATA\r\n", 4) == [b"250", b"250", b"250", b"354"]


@pytest.fixture
def one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is there is answered in one turn of the loop."""
    monkeypatch.setattr(dialogue, "TURN", float("inf"))


def eventually(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


async def count(server: SmtpServer) -> int:
    return len(server._connections)


def only_connection(running: Running):
    [connection] = running.server._connections
    return connection


# --- time -----------------------------------------------------------------------------------------


def test_rfc_5321_section_4_5_3_2_an_idle_session_is_told_and_closed(mx):
    with Client(mx.address) as client:
        mx.expire(299)
        assert client.ask(b"NOOP").startswith(b"250")
        mx.expire(301)
        assert client.reply() == b"421 4.4.2 Idle for too long"
        assert client.at_end()


def test_octets_that_complete_nothing_gain_no_time(mx):
    with Client(mx.address) as client:
        client.ask(b"NOOP")
        before = only_connection(mx).deadline
        client.send(b"NOO")
        eventually(lambda: only_connection(mx)._input == b"NOO")
        assert only_connection(mx).deadline == before


def test_a_message_may_come_slowly_but_not_for_ever():
    with Running(limits=Limits(transfer=600)) as mx, Client(mx.address) as client:
        begin(client)
        client.send(b"x\r\n")
        mx.expire(299)
        client.send(b"y\r\n")
        connection = only_connection(mx)
        assert connection._intake_until < mx.loop.time() + 601
        mx.expire(601)
        assert client.reply().startswith(b"421 4.4.2")
        assert client.at_end()
    assert mx.mailroom.messages == []


def test_no_time_runs_while_the_service_works(mx):
    mx.mailroom.gate = asyncio.Event()
    with Client(mx.address) as client:
        begin(client)
        client.send(b"x\r\n.\r\n")
        assert mx.mailroom.entered.wait(10)
        mx.expire(10_000)
        mx.open_gate()
        assert client.reply().startswith(b"250")


def test_the_clock_is_watched_without_being_asked():
    with Running(limits=Limits(command=0.01, tick=0.01)) as mx, Client(mx.address) as client:
        assert client.reply().startswith(b"421 4.4.2")


def test_a_peer_that_does_not_take_its_last_reply_is_cut():
    async def scene():
        connection, pipe, server = await piped(Limits())
        connection.data_received(b"QUIT\r\n")
        await connection.task
        now = asyncio.get_running_loop().time()
        server.expire(now + 9)
        assert (pipe.closed, pipe.aborted) == (True, False)
        server.expire(now + 11)
        assert pipe.aborted
        connection.connection_lost(None)

    asyncio.run(scene())


# --- memory ---------------------------------------------------------------------------------------


def test_input_that_waits_is_bounded_and_taken_up_again(one_turn):
    async def scene():
        connection, pipe, server = await piped(Limits(idle_commands=100_000))
        service: Any = server.service
        gate = service.gate = asyncio.Event()
        connection.data_received(ENVELOPE + b"BDAT 3 LAST\r\nx\r\n")
        await settle()
        assert service.entered.is_set()
        for _ in range(2):
            assert pipe.reading
            connection.data_received(b"NOOP\r\n" * (INPUT_HIGH // 8))
        assert not pipe.reading
        gate.set()
        await settle()
        assert pipe.reading
        connection.data_received(b"QUIT\r\n")
        await connection.task
        assert pipe.written.endswith(b"221 2.0.0 Bye\r\n")
        assert pipe.written.count(b"250 2.0.0 Ok\r\n") == INPUT_HIGH // 8 * 2
        connection.connection_lost(None)

    asyncio.run(scene())


async def piped(limits: Limits) -> tuple[Connection, Pipe, SmtpServer]:
    """A connection whose transport is under the test's control, greeted."""
    options = ListenerOptions(Role.MX, HOST, limits=limits)
    server = SmtpServer(Mailroom(), options, Shared(), certificates=None)
    connection, pipe = Connection(server, asyncio.get_running_loop()), Pipe()
    connection.connection_made(pipe)
    await settle()
    pipe.written = b""
    return connection, pipe, server


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_peer_that_pipelines_does_not_keep_others_waiting():
    longest = 0.0

    async def turns() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    async def start() -> asyncio.Task[None]:
        return asyncio.create_task(turns())

    async def look_up(transaction: object, recipient: object) -> None:
        sum(range(2_000))

    with Running(limits=Limits(recipients=2_000)) as mx, Client(mx.address) as client:
        mx.mailroom.rcpt_to = look_up
        client.ask_all(b"EHLO client.test\r\nMAIL FROM:<ada@a.test>\r\n", 2)
        task = mx.call(start())
        replies = client.ask_all(b"RCPT TO:<grace@a.test>\r\n" * 2_000, 2_000)
        mx.loop.call_soon_threadsafe(task.cancel)
    assert set(replies) == {b"250"}
    assert longest < 0.02


def test_a_peer_that_reads_no_replies_is_not_served_further():
    async def scene():
        connection, pipe, _ = await piped(Limits())
        connection.pause_writing()
        connection.data_received(b"NOOP\r\n")
        await settle()
        connection.data_received(b"NOOP\r\n" * 3)
        await settle()
        assert pipe.written == b""
        connection.resume_writing()
        await settle()
        assert pipe.written == b"250 2.0.0 Ok\r\n" * 4
        connection.connection_lost(None)
        await connection.task

    asyncio.run(scene())


@pytest.mark.parametrize("leaves", [False, True])
def test_a_peer_that_never_reads_its_replies_is_timed_out(leaves):
    async def scene():
        connection, pipe, server = await piped(Limits())
        connection.pause_writing()
        connection.data_received(b"NOOP\r\n" * 3)
        await settle()
        if leaves:
            connection.connection_lost(None)
        else:
            server.expire(asyncio.get_running_loop().time() + 301)
        await asyncio.wait_for(connection.task, 30)
        assert pipe.closed

    asyncio.run(scene())


def test_replies_leave_before_too_many_have_gathered(one_turn):
    async def scene():
        connection, pipe, _ = await piped(Limits(idle_commands=10_000))
        connection.data_received(b"NOOP\r\n" * 5000)
        await settle()
        assert len(pipe.written) == 5000 * 14
        assert max(pipe.sizes) <= OUTPUT_HIGH + 14
        connection.connection_lost(None)
        await connection.task

    asyncio.run(scene())


def test_a_session_without_network_address_is_served():
    async def scene():
        connection, _, _ = await piped(Limits())
        assert connection.peer.host == "127.0.0.1"
        unix = Connection(connection._server, asyncio.get_running_loop())
        unix.connection_made(Pipe(peername=""))
        await settle()
        assert unix.peer.host == ""
        for each in (connection, unix):
            each.connection_lost(None)
            await each.task

    asyncio.run(scene())


def test_starttls_of_a_peer_that_is_gone_ends_the_session(certificate):
    async def scene():
        options = ListenerOptions(Role.MX, HOST)
        server = SmtpServer(Mailroom(), options, Shared(), certificates=Certificates(certificate))
        connection, pipe = Connection(server, asyncio.get_running_loop()), Pipe()
        connection.connection_made(pipe)
        connection.data_received(b"STARTTLS\r\n")
        connection.eof_received()
        await asyncio.wait_for(connection.task, 30)
        assert pipe.closed
        connection.connection_lost(None)

    asyncio.run(scene())


# --- peers ----------------------------------------------------------------------------------------


def test_connections_of_a_peer_are_bounded():
    shared = Shared(peers=PeerCounter(each=1))
    with Running(shared=shared) as mx:
        with Client(mx.address), Client(mx.address, greeting=False) as second:
            assert second.reply() == b"421 4.7.0 Too many connections"
            assert second.at_end()
        eventually(lambda: shared.peers.open == 0)
        with Client(mx.address) as third:
            assert third.ask(b"NOOP").startswith(b"250")


def test_a_script_may_pipe_its_commands_and_half_close(mx):
    with Client(mx.address) as client:
        client.send(ENVELOPE + b"BDAT 3 LAST\r\nx\r\nNOOP\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.reply()[:3] for _ in range(5)] == [b"250"] * 5
        assert client.at_end()
    assert mx.mailroom.contents == [b"x\r\n"]


@pytest.mark.parametrize("sent", [b"", b"NOO", ENVELOPE, ENVELOPE + b"DATA\r\nx\r\n.\r"])
def test_a_peer_that_vanishes_leaves_nothing_behind(mx, sent):
    with Client(mx.address) as client:
        client.send(sent)
    eventually(lambda: mx.call(count(mx.server)) == 0)
    assert mx.mailroom.messages == []


def test_a_message_is_accepted_although_the_peer_is_gone(mx):
    mx.mailroom.gate = asyncio.Event()
    with Client(mx.address) as client:
        begin(client)
        client.send(b"x\r\n.\r\n")
        assert mx.mailroom.entered.wait(10)
        client.socket.shutdown(socket.SHUT_RDWR)
    mx.open_gate()
    eventually(lambda: mx.mailroom.contents == [b"x\r\n"])


# --- stopping -------------------------------------------------------------------------------------


def test_rfc_5321_section_3_8_stopping_tells_idle_sessions(mx):
    with Client(mx.address) as idle, Client(mx.address) as open_envelope:
        open_envelope.ask_all(ENVELOPE, 3)
        mx.call(mx.server.stop(5))
        for client in (idle, open_envelope):
            assert client.reply() == b"421 4.3.2 Service is shutting down"
            assert client.at_end()
    with pytest.raises(ConnectionRefusedError):
        Client(mx.address)


@pytest.mark.parametrize("body", [b"DATA", b"BDAT"])
def test_stopping_lets_a_message_on_its_way_finish(mx, body):
    with Client(mx.address) as client:
        if body == b"DATA":
            begin(client)
            client.send(b"x\r\n")
        else:
            assert client.ask_all(ENVELOPE + b"BDAT 3\r\nx\r\n", 4) == [b"250"] * 4
        stopping = asyncio.run_coroutine_threadsafe(mx.server.stop(5), mx.loop)
        eventually(lambda: mx.server.draining)
        client.send(b".\r\n" if body == b"DATA" else b"BDAT 0 LAST\r\n")
        assert client.reply().startswith(b"250 2.0.0")
        assert client.reply() == b"421 4.3.2 Service is shutting down"
        stopping.result(5)
    assert mx.mailroom.contents == [b"x\r\n"]


def test_stopping_takes_no_command_that_was_pipelined(mx):
    mx.mailroom.gate = asyncio.Event()
    with Client(mx.address) as client:
        begin(client)
        client.send(b"x\r\n.\r\nMAIL FROM:<>\r\n")
        assert mx.mailroom.entered.wait(10)
        stopping = asyncio.run_coroutine_threadsafe(mx.server.stop(5), mx.loop)
        eventually(lambda: mx.server.draining)
        mx.open_gate()
        assert [client.reply()[:9] for _ in range(2)] == [b"250 2.0.0", b"421 4.3.2"]
        stopping.result(5)


def test_stopping_cuts_what_does_not_finish(mx):
    with Client(mx.address) as client:
        begin(client)
        mx.call(mx.server.stop(0.01))
        assert client.at_end()


def test_a_connection_that_came_just_before_is_told(mx):
    mx.server.draining = True
    with Client(mx.address, greeting=False) as client:
        assert client.reply().startswith(b"421 4.3.2")
        assert client.at_end()


def test_limits_change_while_serving(mx):
    with Client(mx.address) as client:
        mx.call(mx.adjust(Limits(message=1000)))
        assert b"SIZE 1000\n" in client.ask(b"EHLO client.test")
        assert client.ask(b"MAIL FROM:<> SIZE=1001").startswith(b"552")

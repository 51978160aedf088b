"""RFC 3501 sections 3, 5.4, 6.1, 6.2, 8: connecting, logging in, staying, leaving."""

import asyncio
import base64
import socket
import threading
import time
from collections.abc import Callable

import pytest
import structlog

from tests.protocols.imap.conftest import MESSAGE, message
from tests.support.directories import PASSWORD
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.domain.messages import shell as messages


def plain(user: str, password: str = PASSWORD, other: str = "") -> str:
    return base64.b64encode(f"{other}\0{user}\0{password}".encode()).decode()


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rfc3501_8_sample_session(log_in):
    wire = log_in()
    wire.append(MESSAGE)
    lines = wire.ok("SELECT INBOX")
    assert lines[0] == b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)"
    assert b"* 1 EXISTS" in lines
    [full] = wire.ok("FETCH 1 FULL")
    assert full.startswith(b"* 1 FETCH (FLAGS (\\Recent) INTERNALDATE ")
    assert b'ENVELOPE ("Mon, 7 Feb 1994 21:52:25 -0800" "Engines of the day" ' in full
    [header] = wire.ok("FETCH 1 BODY[HEADER]")
    assert b"Subject: Engines of the day\r\n" in header
    assert wire.ok("STORE 1 +FLAGS (\\Deleted)") == [
        b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted \\Recent))"
    ]
    assert wire.do("LOGOUT") == [b"* BYE Logging out", b"OK Logout completed"]
    assert wire.at_end()


class TestGreeting:
    def test_capabilities_are_in_the_greeting(self, connect):
        greeting = connect().greeting
        assert greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ")
        assert b" STARTTLS AUTH=PLAIN]" in greeting

    def test_login_is_disabled_where_others_could_listen(self, connect, user):
        wire = connect("strict")
        assert b" STARTTLS LOGINDISABLED]" in wire.greeting
        for command in (f"LOGIN {user} x", f"AUTHENTICATE PLAIN {plain(user)}"):
            assert wire.do(command)[-1].startswith(b"NO [PRIVACYREQUIRED]")

    def test_capabilities_after_login_are_told_with_it(self, connect, user):
        *_, last = connect().do(f'LOGIN {user} "{PASSWORD}"')
        assert last.startswith(b"OK [CAPABILITY IMAP4rev1 ")
        assert b"APPENDLIMIT=1000000]" in last
        assert b"AUTH=" not in last


class TestLogin:
    def test_authenticate_with_and_without_initial_response(self, connect, user):
        connect().ok(f"AUTHENTICATE PLAIN {plain(user)}")
        wire = connect()
        wire.send(b"a AUTHENTICATE PLAIN\r\n")
        assert wire.line() == b"+ "
        wire.send(plain(user, other=user).encode() + b"\r\n")
        assert wire.until("a")[-1].startswith(b"a OK [CAPABILITY")

    @pytest.mark.parametrize("answer", [b"*", b"!!", b"AA==", b"x" * 9000])
    def test_cancelled_and_broken_exchanges_are_bad(self, connect, answer):
        wire = connect()
        wire.send(b"a AUTHENTICATE PLAIN\r\n")
        assert wire.line() == b"+ "
        wire.send(answer + b"\r\n")
        assert wire.until("a")[-1].startswith(b"a BAD ")
        wire.ok("NOOP")

    def test_no_acting_for_others_and_no_other_mechanism(self, connect, user):
        wire = connect()
        assert wire.do(f"AUTHENTICATE PLAIN {plain(user, other='x@y.test')}")[-1].startswith(
            b"NO [AUTHORIZATIONFAILED]"
        )
        assert wire.do("AUTHENTICATE CRAM-MD5")[-1].startswith(b"NO ")

    def test_wrong_passwords_are_refused_and_counted(self, connect, user):
        wire = connect()
        for _ in range(4):
            assert wire.do(f"LOGIN {user} wrong")[-1].startswith(b"NO [AUTHENTICATIONFAILED]")
        assert wire.do(f"LOGIN {user} wrong") == [b"* BYE Too many failed logins", b""]

    def test_a_guarded_name_has_to_wait(self, connect, world, user):
        guard = world.servers["plain"].guard
        guard._names.clear()
        wire = connect()
        for _ in range(25):
            guard.failed(time.monotonic(), "192.0.2.1", "nobody@demo.test")
        [last] = wire.do("LOGIN nobody@demo.test x")
        assert last.startswith(b"NO [AUTHENTICATIONFAILED] Too many failures, try again in")

    def test_states(self, connect, log_in):
        wire = connect()
        assert wire.do("SELECT INBOX") == [b"BAD Please log in first"]
        assert wire.do("FETCH 1 FLAGS") == [b"BAD Please log in first"]
        wire = log_in()
        assert wire.do("FETCH 1 FLAGS") == [b"BAD Please select a mailbox first"]
        assert wire.do("LOGIN x y") == [b"BAD You are logged in already"]


class TestTls:
    def test_tls_from_the_start(self, connect, trust, user):
        wire = connect("tls", tls=trust)
        assert b"AUTH=PLAIN" in wire.greeting
        assert b"STARTTLS" not in wire.greeting
        wire.ok(f'LOGIN {user} "{PASSWORD}"')
        wire.append(MESSAGE)
        assert b"* 1 EXISTS" in wire.ok("SELECT INBOX")
        assert wire.do("STARTTLS")[-1].startswith(b"BAD")
        wire.do("LOGOUT")
        assert wire.at_end()

    def test_starttls(self, connect, trust, user):
        wire = connect("strict")
        wire.ok("STARTTLS")
        wire.socket = trust.wrap_socket(wire.socket, server_hostname="localhost")
        wire._file = wire.socket.makefile("rb")
        assert b"AUTH=PLAIN" in b"".join(wire.ok("CAPABILITY"))
        wire.ok(f'LOGIN {user} "{PASSWORD}"')
        assert wire.do("STARTTLS")[-1].startswith(b"BAD")

    def test_commands_injected_before_tls_are_never_answered(self, connect, trust):
        """CVE-2011-0411: what came in clear must not count after the handshake."""
        wire = connect("strict")
        wire.send(b"a STARTTLS\r\nb CAPABILITY\r\n")
        assert wire.line().startswith(b"a OK")
        wire.socket = trust.wrap_socket(wire.socket, server_hostname="localhost")
        wire._file = wire.socket.makefile("rb")
        wire.send(b"c NOOP\r\n")
        assert wire.line() == b"c OK NOOP completed"

    def test_a_broken_handshake_ends_the_connection(self, connect, world):
        wire = connect("strict")
        wire.ok("STARTTLS")
        wire.send(b"this is not TLS at all\r\n" * 10)
        try:
            wire._file.read()
        except ConnectionError:
            pass
        wait_until(lambda: not world.servers["strict"]._connections)


class TestPlumbing:
    def test_commands_may_be_pipelined(self, log_in):
        wire = log_in()
        wire.send(b"a SELECT INBOX\r\nb NOOP\r\nc EXAMINE INBOX\r\nd LOGOUT\r\n")
        lines = wire.until("d")
        tagged = [line[:4] for line in lines if line[:1] in b"abcd"]
        assert tagged == [b"a OK", b"b OK", b"c OK", b"d OK"]

    def test_synchronizing_literals_are_asked_for(self, connect, user):
        wire = connect()
        wire.send(b"a LOGIN {%d}\r\n" % len(user))
        assert wire.line() == b"+ OK"
        wire.send(user.encode() + b" {%d}\r\n" % len(PASSWORD))
        assert wire.line() == b"+ OK"
        wire.send(PASSWORD.encode() + b"\r\n")
        assert wire.until("a")[-1].startswith(b"a OK")

    def test_a_pipelined_literal_is_asked_for_in_its_turn(self, log_in):
        wire = log_in()
        wire.send(b"a NOOP\r\nb APPEND INBOX {%d}\r\n" % len(MESSAGE))
        assert wire.line() == b"a OK NOOP completed"
        assert wire.line() == b"+ OK"
        wire.send(MESSAGE + b"\r\n")
        assert wire.until("b")[-1].startswith(b"b OK [APPENDUID ")

    def test_wrong_commands_keep_the_connection_in_step(self, log_in):
        wire = log_in()
        assert wire.do("FOO") == [b"BAD Unknown command"]
        assert wire.do("SELECT &") == [b"BAD Mailbox name has an unfinished shift"]
        wire.send(b"\r\n")
        assert wire.line().startswith(b"* BAD ")
        assert wire.do("SEARCH {99999}")[-1].startswith(b"BAD [TOOBIG]")
        wire.ok("NOOP")

    def test_too_many_errors_end_the_session(self, log_in):
        wire = log_in()
        for _ in range(5):
            assert wire.do("FOO")[-1].startswith(b"BAD")
        assert wire.do("FOO") == [b"BAD Unknown command"]
        assert wire.line() == b"* BYE Too many errors"
        assert wire.at_end()

    def test_a_literal_without_end_ends_the_session(self, log_in):
        wire = log_in()
        wire.send(b"a APPEND INBOX {9999999+}\r\n")
        assert wire.line() == b"a BAD Command too big"
        assert wire.line() == b"* BYE Too much data"

    def test_noop_capability_id_namespace(self, log_in):
        wire = log_in()
        assert wire.ok('ID ("name" "test")') == [b'* ID ("name" "Workpost")']
        assert wire.ok("NAMESPACE") == [b'* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL']
        assert wire.ok("NOOP") == []
        assert wire.ok("CAPABILITY")[0].startswith(b"* CAPABILITY IMAP4rev1 ")

    def test_large_answers_wait_for_a_slow_client(self, log_in, world):
        wire = log_in()
        wire.append(message("Big", "x" * 900_000))
        wire.ok("SELECT INBOX")
        wire.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(10)))
        wait_until(lambda: any(c.congested for c in world.servers["plain"]._connections))
        for number in range(10):
            *answer, last = wire.until(f"f{number}")
            assert len(b"".join(answer)) > 900_000
            assert last.endswith(b"OK FETCH completed")

    def test_a_client_that_leaves_in_the_middle_is_forgotten(self, log_in, world):
        wire = log_in()
        wire.append(message("Big", "x" * 900_000))
        wire.ok("SELECT INBOX")
        wire.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % n for n in range(20)))
        wire.line()
        wire.close()
        wait_until(lambda: not any(c.busy for c in world.servers["plain"]._connections))

    def test_a_half_closed_connection_gets_its_answers(self, connect, user):
        wire = connect()
        wire.send(f'a LOGIN {user} "{PASSWORD}"\r\nb LOGOUT\r\n'.encode())
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.until("b")[-1] == b"b OK Logout completed"

    def test_deadlines(self, connect, log_in, world):
        server = world.servers["plain"]
        stranger, known = connect(), log_in("INBOX")

        async def later() -> None:
            now = server.now()
            server.expire(now + server.limits.login + 1)

        world.run(later())
        assert stranger.line() == b"* BYE Autologout, idle for too long"
        assert stranger.at_end()
        known.ok("NOOP")

        async def much_later() -> None:
            server.expire(server.now() + server.limits.idle + 1)

        world.run(much_later())
        assert known.line() == b"* BYE Autologout, idle for too long"

    def test_a_stranger_who_pipelines_does_not_keep_others_waiting(self, connect, world):
        longest = 0.0

        async def turns() -> None:
            nonlocal longest
            while True:
                before = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - before)

        async def start() -> asyncio.Task[None]:
            return asyncio.create_task(turns())

        wire = connect()
        task = world.run(start())
        wire.send(b"a CAPABILITY\r\n" * 4_000 + b"b LOGOUT\r\n")
        assert wire.until("b")[-1] == b"b OK Logout completed"
        task.get_loop().call_soon_threadsafe(task.cancel)
        assert longest < 0.02

    def test_commands_do_not_lengthen_the_time_to_log_in(self, connect, world):
        server = world.servers["plain"]
        busy, silent = connect(), connect()
        deadline = world.connection_of(busy).deadline
        busy.ok("NOOP")
        busy.ok("NOOP")
        connection = world.connection_of(busy)
        wait_until(lambda: not connection.busy)
        assert connection.deadline == deadline
        silent.send(b"a AUTHENTICATE PLAIN\r\n")
        assert silent.line() == b"+ "

        async def later() -> None:
            server.expire(server.now() + server.limits.login + 1)

        world.run(later())
        for stranger in (busy, silent):
            assert stranger.line() == b"* BYE Autologout, idle for too long"
            assert stranger.at_end()


class TestAccessWithdrawn:
    def test_a_changed_password_ends_idle_sessions(self, log_in, world, user):
        wire = log_in("INBOX")
        wire.send(b"a IDLE\r\n")
        assert wire.line() == b"+ idling"
        demo = world.demo
        world.run(
            directory.reset_password(demo.core, demo.grant, user.partition("@")[0], "New-Pass-99")
        )
        assert wire.line() == b"* BYE Please log in again"
        assert wire.at_end()

    def test_a_deregistered_person_is_out(self, log_in, world, user):
        wire = log_in("INBOX")
        demo = world.demo
        entity = world.grant(user).entity
        world.run(deregister_from_workmail(demo.core, demo.grant, entity))
        assert wire.line() == b"* BYE Please log in again"

    def test_other_changes_of_policy_are_not_noticed(self, log_in, world):
        wire = log_in("INBOX")
        world.person()
        wire.append(MESSAGE)
        assert wire.ok("FETCH 1 (UID)") == [b"* 1 FETCH (UID 1)"]
        assert wire.ok("UID STORE 1 +FLAGS.SILENT (\\Seen)") == []


def test_hanging_up_in_the_middle_of_a_command_is_no_failure(log_in, world, monkeypatch):
    started, go, done = threading.Event(), threading.Event(), threading.Event()
    real = messages.metadata_page

    async def slow(*args, **kw):
        started.set()
        await asyncio.to_thread(go.wait, 30)
        try:
            return await real(*args, **kw)
        finally:
            done.set()

    async def lose(connection):
        connection.connection_lost(None)

    monkeypatch.setattr(messages, "metadata_page", slow)
    wire = log_in()
    wire.append(MESSAGE)
    wire.ok("SELECT INBOX")
    with structlog.testing.capture_logs() as logs:
        wire.send(b"T1 FETCH 1 ENVELOPE\r\n")
        assert started.wait(30)
        world.run(lose(world.connection_of(wire)))
        go.set()
        assert done.wait(30)
        time.sleep(0.1)
    assert logs == []

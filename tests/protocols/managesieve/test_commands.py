"""ManageSieve over sockets, by sections of RFC 5804."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable

import pytest

from tests.protocols.managesieve.conftest import World
from tests.support.directories import PASSWORD
from tests.support.managesieve import Wire, plain

Connect = Callable[..., Wire]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_1_7_the_greeting_tells_the_capabilities(connect: Connect) -> None:
    *lines, last = connect("strict").greeting
    assert last.startswith(b"OK")
    assert b'"IMPLEMENTATION" "Workpost"' in lines
    assert b'"SASL" ""' in lines
    assert b'"STARTTLS"' in lines
    assert b'"VERSION" "1.0"' in lines
    assert b'"NOTIFY" "mailto"' in lines
    assert b'"MAXREDIRECTS" "4"' in lines
    [sieve] = [line for line in lines if line.startswith(b'"SIEVE"')]
    for name in (b"fileinto", b"vacation-seconds", b"enotify", b"special-use", b"ereject"):
        assert name in sieve


def test_2_1_a_password_needs_tls(connect: Connect, user: str) -> None:
    wire = connect("strict")
    assert wire.no(f'AUTHENTICATE "PLAIN" "{plain(user)}"').startswith(b"NO (ENCRYPT-NEEDED)")


def test_2_2_starttls_says_the_capabilities_again(
    connect: Connect, user: str, trust: ssl.SSLContext
) -> None:
    wire = connect("strict")
    lines = wire.start_tls(trust)
    assert b'"SASL" "PLAIN LOGIN"' in lines
    assert b'"STARTTLS"' not in lines
    wire.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')
    assert f'"OWNER" "{user}"'.encode() in wire.ok("CAPABILITY")
    wire.no("STARTTLS")


def test_2_2_what_came_in_clear_behind_starttls_is_forgotten(
    connect: Connect, trust: ssl.SSLContext
) -> None:
    wire = connect("strict")
    wire.socket.sendall(b'STARTTLS\r\nNOOP "injected"\r\n')
    assert wire.answer()[-1].startswith(b"OK")
    wire._file.close()
    wire.socket = trust.wrap_socket(wire.socket, server_hostname="localhost")
    wire._file = wire.socket.makefile("rb")
    assert wire.answer()[-1].startswith(b"OK")
    assert wire.do('NOOP "mine"') == [b'OK (TAG "mine") "Done"']


def test_2_1_plain_with_a_challenge(connect: Connect, user: str) -> None:
    wire = connect()
    wire.socket.sendall(b'AUTHENTICATE "plain"\r\n')
    assert wire.line() == b'""'
    response = plain(user)
    assert wire.do(f"{{{len(response)}+}}\r\n{response}")[-1].startswith(b"OK")


def test_2_1_login_asks_twice(connect: Connect, user: str) -> None:
    wire = connect()
    wire.socket.sendall(b'AUTHENTICATE "LOGIN"\r\n')
    assert wire.line() == f'"{b64("Username:")}"'.encode()
    wire.socket.sendall(f'"{b64(user)}"\r\n'.encode())
    assert wire.line() == f'"{b64("Password:")}"'.encode()
    assert wire.do(f'"{b64(PASSWORD)}"')[-1].startswith(b"OK")
    wire.no(f'AUTHENTICATE "PLAIN" "{plain(user)}"')


def test_2_1_what_is_refused(connect: Connect, user: str) -> None:
    wire = connect()
    wire.no('AUTHENTICATE "GSSAPI"')
    wire.no('AUTHENTICATE "PLAIN" "nonsense!"')
    wire.no(f'AUTHENTICATE "PLAIN" "{plain(user, authorization="somebody@demo.test")}"')
    wire.socket.sendall(b'AUTHENTICATE "PLAIN"\r\n')
    wire.line()
    wire.no('"*"')
    wire.socket.sendall(b'AUTHENTICATE "PLAIN"\r\n')
    wire.line()
    wire.no("nonsense")
    wire.ok("NOOP")


def test_wrong_passwords_end_the_connection(connect: Connect, user: str) -> None:
    wire = connect()
    for _ in range(2):
        wire.no(f'AUTHENTICATE "PLAIN" "{plain(user, "wrong")}"')
    assert wire.do(f'AUTHENTICATE "PLAIN" "{plain(user, "wrong")}"')[-1].startswith(b"BYE")
    assert wire.at_end()


def test_strangers_may_ask_for_little(connect: Connect) -> None:
    wire = connect()
    for command in ("LISTSCRIPTS", 'GETSCRIPT "a"', 'CHECKSCRIPT "keep;"', "UNAUTHENTICATE"):
        wire.no(command)
    wire.ok("CAPABILITY")
    assert wire.do("NOOP") == [b'OK "Done"']
    assert wire.do("LOGOUT")[-1].startswith(b"OK")
    assert wire.at_end()


def test_2_6_to_2_9_scripts_are_put_chosen_listed_and_got(log_in: Connect) -> None:
    wire = log_in()
    source = '# "quoted" \\ and Grüße\r\nkeep;\r\n'
    assert wire.put("büro", source)[-1].startswith(b"OK")
    assert wire.ok('PUTSCRIPT "quoted" "keep;"') == []
    wire.ok('SETACTIVE "quoted"')
    assert wire.ok("LISTSCRIPTS") == ['"büro"'.encode(), b'"quoted" ACTIVE']
    [line] = wire.ok('GETSCRIPT "büro"'.encode())
    octets = source.encode()
    assert line == b"{%d}\r\n" % len(octets) + octets
    wire.ok('SETACTIVE ""')
    assert b'"quoted"' in wire.ok("LISTSCRIPTS")
    assert wire.no('GETSCRIPT "none"').startswith(b"NO (NONEXISTENT)")
    assert wire.no('SETACTIVE "none"').startswith(b"NO (NONEXISTENT)")


def test_2_6_and_2_12_a_script_that_cannot_run_is_refused_with_its_line(log_in: Connect) -> None:
    wire = log_in()
    assert b"line 2" in wire.put("a", "keep;\r\nfly;\r\n")[-1]
    assert b"line 1" in wire.no('CHECKSCRIPT "fly;"')
    assert b"line 1: redirect" in wire.no('CHECKSCRIPT "redirect \\"ada at home\\";"')
    wire.ok('CHECKSCRIPT "keep;"')
    assert wire.ok("LISTSCRIPTS") == []


def test_2_10_the_active_script_is_not_deleted(log_in: Connect) -> None:
    wire = log_in()
    wire.put("a", "keep;")
    wire.ok('SETACTIVE "a"')
    assert wire.no('DELETESCRIPT "a"').startswith(b"NO (ACTIVE)")
    wire.ok('SETACTIVE ""')
    wire.ok('DELETESCRIPT "a"')
    assert wire.no('DELETESCRIPT "a"').startswith(b"NO (NONEXISTENT)")


def test_2_11_renamescript(log_in: Connect) -> None:
    wire = log_in()
    wire.put("a", "keep;")
    wire.put("b", "stop;")
    wire.ok('SETACTIVE "a"')
    assert wire.no('RENAMESCRIPT "a" "b"').startswith(b"NO (ALREADYEXISTS)")
    assert wire.no('RENAMESCRIPT "none" "c"').startswith(b"NO (NONEXISTENT)")
    wire.ok('RENAMESCRIPT "a" "c"')
    assert wire.ok("LISTSCRIPTS") == [b'"b"', b'"c" ACTIVE']


def test_2_5_havespace(log_in: Connect) -> None:
    wire = log_in()
    wire.ok('HAVESPACE "a" 1000')
    assert wire.no('HAVESPACE "a" 4294967295').startswith(b"NO (QUOTA/MAXSIZE)")
    wire.no('HAVESPACE "" 1000')
    for number in range(32):
        wire.put(f"s{number}", "keep;")
    assert wire.no('HAVESPACE "a" 10').startswith(b"NO (QUOTA/MAXSCRIPTS)")
    assert wire.put("a", "keep;")[-1].startswith(b"NO (QUOTA/MAXSCRIPTS)")
    wire.ok('HAVESPACE "s1" 10')


def test_a_literal_beyond_the_limit_is_skipped_and_what_follows_is_read(log_in: Connect) -> None:
    wire = log_in()
    assert wire.put("a", "#" * 10_001)[-1].startswith(b"NO (QUOTA/MAXSIZE)")
    wire.ok("NOOP")
    wire.socket.sendall(b'PUTSCRIPT "a" {4000000000+}\r\n')
    assert wire.answer()[-1].startswith(b"BYE")


def test_2_14_unauthenticate(log_in: Connect, user: str) -> None:
    wire = log_in()
    wire.ok("UNAUTHENTICATE")
    wire.no("LISTSCRIPTS")
    wire.ok(f'AUTHENTICATE "PLAIN" "{plain(user)}"')
    wire.ok("LISTSCRIPTS")


@pytest.mark.parametrize(
    "command",
    [
        "FLY",
        "",
        "GETSCRIPT",
        "GETSCRIPT a",
        'GETSCRIPT  "a"',
        'GETSCRIPT "a',
        'GETSCRIPT "a" "b"',
        "GETSCRIPT 5",
        'HAVESPACE "a" "5"',
        'HAVESPACE "a" 99999999999',
        'HAVESPACE "a" 4294967296',
        "GETSCRIPT {1+}\r\na{1+}\r\nb",
        f'GETSCRIPT "{"a" * 1025}"',
    ],
)
def test_what_follows_no_grammar_is_refused(log_in: Connect, command: str) -> None:
    wire = log_in()
    wire.no(command)
    wire.ok("NOOP")


def test_names_that_cannot_be(log_in: Connect) -> None:
    wire = log_in()
    wire.no(b'GETSCRIPT "\xff"')
    wire.no('GETSCRIPT ""')
    assert wire.put("a" * 129, "keep;")[-1].startswith(b"NO")


def test_too_many_errors_end_the_connection(log_in: Connect) -> None:
    wire = log_in()
    for _ in range(6):
        wire.no("FLY")
    assert wire.answer()[-1].startswith(b"BYE")


def test_commands_may_come_in_one_packet_and_octet_by_octet(log_in: Connect) -> None:
    wire = log_in()
    wire.socket.sendall(b'NOOP "1"\r\nNOOP "2"\r\nLISTSCRIPTS\r\n')
    assert [wire.answer()[-1] for _ in range(3)] == [
        b'OK (TAG "1") "Done"',
        b'OK (TAG "2") "Done"',
        b"OK",
    ]
    for octet in b"NOOP {1+}\r\n3\r\n":
        wire.socket.sendall(bytes([octet]))
    assert wire.answer() == [b'OK (TAG "3") "Done"']


def test_who_has_lost_access_is_sent_away(world: World, log_in: Connect, user: str) -> None:
    wire = log_in()
    wire.ok("LISTSCRIPTS")
    name = user.split("@", maxsplit=1)[0]
    world.run(world.demo.change("UPDATE entity SET state = 'DISABLED' WHERE name_fold = ?", name))
    world.run(world.demo.change("UPDATE organization SET policy_version = policy_version + 1"))
    assert wire.do("LISTSCRIPTS")[-1].startswith(b"BYE")
    assert wire.at_end()

"""HAProxy's proxy-protocol.txt: who a proxy has let in, in versions 1 and 2."""

import asyncio
import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.protocols.listening.occupants import Somebody
from workpost.protocols.listening import proxy
from workpost.protocols.listening.accepting import Acceptor
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.proxy import (
    SIGNATURE,
    Proxies,
    ProxyError,
    parse_v1,
    parse_v2,
    read_client,
)

V4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") + struct.pack("!HH", 40000, 25)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    + struct.pack("!HH", 40000, 25)
)
MAPPED = (
    socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1")
    + socket.inet_pton(socket.AF_INET6, "::1")
    + struct.pack("!HH", 1, 2)
)


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


@pytest.mark.parametrize(
    ("line", "client"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25", ("192.0.2.1", 40000)),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", ("0.0.0.0", 0)),
        (b"PROXY TCP6 2001:DB8::1 ::1 40000 25", ("2001:db8::1", 40000)),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 40000 25", ("192.0.2.1", 40000)),
        (b"PROXY UNKNOWN", None),
        (b"PROXY UNKNOWN ffff::1 whatever it says", None),
    ],
)
def test_section_2_1_version_1(line, client):
    assert parse_v1(line) == client


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"PROXY",
        b"proxy TCP4 192.0.2.1 192.0.2.2 40000 25",
        b"PROXY TCP5 192.0.2.1 192.0.2.2 40000 25",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25 ",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 40000 25",
        b"PROXY TCP4 ::1 ::1 40000 25",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 40000 25",
        b"PROXY TCP6 fe80::1%eth0 ::1 40000 25",
        b"PROXY TCP4 192.0.2.01 192.0.2.2 40000 25",
        b"PROXY TCP4 192.0.2.1 mail.a.test 40000 25",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 040000 25",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 25",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 25",
        "PROXY TCP4 192.0.2.1 192.0.2.2 ４ 25".encode(),
    ],
)
def test_section_2_1_what_is_no_header_of_version_1(line):
    with pytest.raises(ProxyError):
        parse_v1(line)


@pytest.mark.parametrize(
    ("command", "family", "body", "client"),
    [
        (0x21, 0x11, V4, ("192.0.2.1", 40000)),
        (0x21, 0x11, V4 + b"\x04\0\x01x", ("192.0.2.1", 40000)),
        (0x21, 0x21, V6, ("2001:db8::1", 40000)),
        (0x21, 0x21, MAPPED, ("192.0.2.1", 1)),
        (0x21, 0x00, b"", None),
        (0x21, 0x31, bytes(216), None),
        (0x20, 0x00, b"", None),
        (0x20, 0x11, V4, None),
    ],
)
def test_section_2_2_version_2(command, family, body, client):
    assert parse_v2(command, family, body) == client


@pytest.mark.parametrize(
    ("command", "family", "body"),
    [
        (0x21, 0x11, V4[:-1]),
        (0x21, 0x21, V6[:-1]),
        (0x21, 0x31, bytes(215)),
        (0x21, 0x12, V4),
        (0x21, 0x22, V6),
        (0x21, 0x41, V4),
        (0x22, 0x11, V4),
        (0x11, 0x11, V4),
    ],
)
def test_section_2_2_what_is_no_header_of_version_2(command, family, body):
    with pytest.raises(ProxyError):
        parse_v2(command, family, body)


@given(st.binary(max_size=120))
def test_any_line_is_a_header_or_an_error(line):
    for text in (line, b"PROXY TCP4 " + line, b"PROXY TCP6 " + line):
        try:
            parse_v1(text)
        except ProxyError:
            continue


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=250))
def test_any_octets_are_a_header_or_an_error(command, family, body):
    try:
        parse_v2(command, family, body)
    except ProxyError:
        return


def test_proxies_are_networks_and_everything_else_is_not():
    proxies = Proxies(["10.1.0.0/16", "2001:db8::/32"])
    assert [proxies.includes(each) for each in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1%2")]
    assert not any(proxies.includes(each) for each in ("10.2.0.1", "::1", "", "mail.a.test"))
    assert not Proxies()


# --- taking it off the wire -----------------------------------------------------------------------


async def read_pieces(pieces: list[bytes], *, hang_up: bool = False) -> tuple[object, bytes]:
    """What comes of octets that arrive one piece after the other, and what is left behind them."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    reading = asyncio.ensure_future(read_client(ours, 5.0))
    for piece in pieces:
        theirs.sendall(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    if hang_up:
        theirs.close()
    try:
        client = await reading
        try:
            return client, ours.recv(100)
        except BlockingIOError:
            return client, b""
    finally:
        ours.close()
        theirs.close()


HEADERS = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n", ("192.0.2.1", 40000)),
    (b"PROXY UNKNOWN\r\n", None),
    (v2(0x21, 0x21, V6 + b"\x04\0\x01x"), ("2001:db8::1", 40000)),
    (v2(0x20, 0, b""), None),
]


@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_what_follows_a_header_stays_however_it_was_cut(loops, header, client):
    async def all_cuts():
        follows = b"\x16\x03\x01EHLO a.test\r\n"
        assert await read_pieces([header + follows]) == (client, follows)
        assert await read_pieces([header[at : at + 1] for at in range(len(header))]) == (
            client,
            b"",
        )
        for at in range(1, len(header)):
            pieces = [header[:at], header[at:] + follows]
            assert await read_pieces(pieces) == (client, follows)

    loops.run(all_cuts())


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.test\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\n" + b"x" * 100,
        b"PROXY UNKNOWN\n\n" + b"\n" * 100,
        SIGNATURE + b"\x21\x11\xff\xff" + V4,
        SIGNATURE + b"\x21\x11\0\x04" + V4,
    ],
)
def test_what_is_no_header_is_refused(loops, octets):
    with pytest.raises(ProxyError):
        loops.run(read_pieces([octets]))


@pytest.mark.parametrize("octets", [b"", b"PROXY", HEADERS[0][0][:-1], HEADERS[2][0][:-1]])
def test_a_proxy_that_goes_away_is_no_client(loops, octets):
    with pytest.raises(ProxyError, match="ended"):
        loops.run(read_pieces([octets], hang_up=True))


def test_a_header_that_does_not_come_is_not_waited_for(loops):
    async def wait():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            await read_client(ours, 0.02)

    with pytest.raises(ProxyError, match="in time"):
        loops.run(wait())


# --- in front of a session ------------------------------------------------------------------------


class Told(asyncio.Protocol):
    """Says whom the proxy named, and what came first."""

    def __init__(self, client):
        self.client = client

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(f"{self.client} {data!r}".encode())
        self.transport.close()


async def ask(acceptor_of, sent, peers=None, tls=None):
    """Everything that a listener answers to what is sent from 127.0.0.1."""
    peers = peers or PeerCounter()
    acceptor = acceptor_of(peers)
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    port = bound.getsockname()[1]
    await acceptor.start([bound])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        if tls is not None:
            await writer.start_tls(tls, server_hostname="localhost")
            writer.write(b"inside")
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        acceptor.close()
        await asyncio.sleep(0)
        assert peers.open == 0


HEADER = HEADERS[0][0]


@pytest.mark.parametrize(
    ("networks", "sent", "answer"),
    [
        (["127.0.0.1"], HEADER + b"x", b"('192.0.2.1', 40000) b'x'"),
        (["127.0.0.1"], HEADERS[2][0] + b"x", b"('2001:db8::1', 40000) b'x'"),
        (["127.0.0.1"], HEADERS[1][0] + b"x", b"None b'x'"),
        (["127.0.0.1"], b"EHLO client.test\r\n", b""),
        (["192.0.2.0/24"], HEADER, b"None " + repr(HEADER).encode()),
        ([], HEADER, b"None " + repr(HEADER).encode()),
    ],
)
def test_only_proxies_are_believed_and_have_to_say_it(loops, networks, sent, answer):
    proxies = Proxies(networks)
    assert loops.run(ask(lambda peers: Acceptor(peers, Told, proxies=proxies), sent)) == answer


def test_a_session_without_tls_and_proxy_says_itself_that_there_is_no_room(loops):
    peers = PeerCounter(each=1)
    here = Somebody()
    assert peers.begin("127.0.0.1", here)
    proxies = Proxies(["192.0.2.0/24"])
    try:
        answer = loops.run(ask(lambda _: Acceptor(peers, Told, proxies=proxies), b"x", peers))
    finally:
        peers.begun(here)
    assert answer == b"None b'x'"


def test_the_header_comes_before_tls(loops, certificates, tls_client):
    def make(peers):
        proxies = Proxies(["127.0.0.1"])
        return Acceptor(peers, Told, context=certificates.context, proxies=proxies)

    assert loops.run(ask(make, HEADER, tls=tls_client)) == b"('192.0.2.1', 40000) b'inside'"


def test_a_client_without_room_is_hung_up_on_before_tls(loops, certificates, tls_client):
    peers = PeerCounter(each=2)
    held = [peers.begin("192.0.2.1", Somebody()) for _ in range(2)]

    def make(_):
        proxies = Proxies(["127.0.0.1"])
        return Acceptor(peers, Told, context=certificates.context, proxies=proxies)

    assert held == [True, True]
    assert loops.run(ask(make, HEADER, peers, tls=tls_client)) == b""


def test_clients_who_dawdle_do_not_shut_out_others_behind_the_proxy(
    loops, certificates, tls_client
):
    async def after_one_who_dawdles():
        peers, proxies = PeerCounter(each=1), Proxies(["127.0.0.1"])
        acceptor = Acceptor(peers, Told, context=certificates.context, proxies=proxies)
        bound = socket.create_server(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        await acceptor.start([bound])
        try:
            _, dawdler = await asyncio.open_connection("127.0.0.1", port)
            dawdler.write(b"PROXY TCP4 192.0.2.99 192.0.2.2 40000 25\r\n")
            probe = Somebody()
            while peers.begin("192.0.2.99", probe):
                peers.begun(probe)
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEADER)
            await writer.start_tls(tls_client, server_hostname="localhost")
            writer.write(b"inside")
            async with asyncio.timeout(30):
                answer = await reader.read()
            writer.close()
            dawdler.close()
        finally:
            acceptor.close()
        return answer

    assert loops.run(after_one_who_dawdles()) == b"('192.0.2.1', 40000) b'inside'"


def test_a_wrong_header_is_counted_and_told_once_a_minute(loops):
    proxies = Proxies(["127.0.0.1"])

    async def thrice():
        acceptor = Acceptor(PeerCounter(), Told, proxies=proxies)
        bound = socket.create_server(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        await acceptor.start([bound])
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"EHLO client.test\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        acceptor.close()
        await asyncio.sleep(0)

    counted = proxy.HEADERS.labels("wrong")
    counted.inc(0)
    before = counted._bound._value.get()
    with capture_logs() as told:
        loops.run(thrice())
    assert counted._bound._value.get() - before == 3
    assert [each["reason"] for each in told] == ["there is no header"]

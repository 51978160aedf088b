"""HTTP's front: what one stranger may hold is bounded before anybody asks who it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from workpost.node import http
from workpost.node.http import BoundedProtocol, HttpServer, WebApp
from workpost.node.sockets import Listener
from workpost.protocols.listening.peers import KNOWN, PeerCounter
from workpost.protocols.listening.proxy import Proxies

REQUEST = b"POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n%b\r\n"


async def echo(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(
    each: int = 10, app: http.App = echo, proxies: Proxies | None = None, total: int = 20_000
) -> AsyncIterator[tuple[int, PeerCounter]]:
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    peers = PeerCounter(each=each, total=total)
    server = HttpServer(WebApp(app, {}), peers, None, proxies)
    await server.start(Listener("http", [bound]))
    try:
        yield bound.getsockname()[1], peers
    finally:
        await server.stop(0.1)


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Everything the server says until it hangs up, at most for two seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        async with asyncio.timeout(30):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            while data := await reader.read(65536):
                heard += data
    except (TimeoutError, ConnectionError):
        return heard
    finally:
        writer.close()
    return heard


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX-Long: "])
async def test_a_head_without_end_is_cut(begin: bytes) -> None:
    async with serving() as (port, _):
        heard = await exchange(port, begin, *[b"y" * 16_384] * 40)
        assert heard == b"" or heard.startswith(b"HTTP/1.1 431 ")


async def test_a_client_that_never_ends_its_head_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.05)
    async with serving() as (port, peers):
        for begin in (b"", b"GET / HTTP/1.1\r\n", b"\r\n\r\n"):
            loop = asyncio.get_running_loop()
            started = loop.time()
            assert await exchange(port, begin) == b""
            assert loop.time() - started < 1
        assert peers.open == 0


async def test_large_bodies_and_requests_one_after_the_other_pass() -> None:
    async with serving() as (port, _):
        body = b"z" * 300_000
        closing = REQUEST % (4, b"Connection: close\r\n") + b"last"
        heard = await exchange(
            port, REQUEST % (len(body), b"") + body, REQUEST % (2, b""), b"ok", closing
        )
        assert heard.count(b"HTTP/1.1 200 ") == 3
        assert heard.endswith(b"last")


async def test_connections_of_one_address_are_counted() -> None:
    async with serving(each=2) as (port, peers):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert (await exchange(port, b"")).startswith(b"HTTP/1.1 503 ")
        assert peers.open == 2
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        closing = REQUEST % (2, b"Connection: close\r\n") + b"ok"
        assert (await exchange(port, closing)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: x\r\n\r\n",
    ],
    ids=["junk", "upgrade"],
)
async def test_what_strangers_send_fills_no_log(
    head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (port, _):
        await exchange(port, head)
    assert [record.getMessage() for record in caplog.records if record.name[:4] == "uvic"] == []


async def who(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    body = repr(scope["client"]).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def test_the_client_is_who_the_proxy_says_in_every_request() -> None:
    head = b"PROXY TCP4 192.0.2.9 127.0.0.1 4711 80\r\n"
    get = b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 127.0.0.1\r\n%b\r\n"
    async with serving(app=who, proxies=Proxies(["127.0.0.0/8"])) as (port, peers):
        heard = await exchange(port, head + get % b"", get % b"Connection: close\r\n")
        assert heard.count(b"('192.0.2.9', 4711)") == 2
        assert await exchange(port, get % b"") == b""
        assert peers.open == 0
    async with serving(app=who) as (port, _):
        assert (await exchange(port, head + get % b"")).startswith(b"HTTP/1.1 400 ")


async def test_connections_of_one_client_are_counted_behind_a_proxy() -> None:
    async with serving(each=2, proxies=Proxies(["127.0.0.1"])) as (port, peers):
        head = b"PROXY TCP4 192.0.2.%d 127.0.0.1 4711 80\r\n"
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in held:
            writer.write(head % 1)
        async with asyncio.timeout(30):
            while peers.open < 2:  # noqa: ASYNC110 - the counter tells nobody
                await asyncio.sleep(0.005)
        assert (await exchange(port, head % 1)).startswith(b"HTTP/1.1 503 ")
        closing = REQUEST % (2, b"Connection: close\r\n") + b"ok"
        assert (await exchange(port, head % 2 + closing)).startswith(b"HTTP/1.1 200 ")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()


GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


async def test_a_request_that_is_answered_keeps_its_place() -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        inside.set()
        await go_on.wait()
        await echo(scope, receive, send)

    async with serving(app=slow, total=1) as (port, peers), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await inside.wait()
        assert (await exchange(port, GET)).startswith(b"HTTP/1.1 503 ")
        go_on.set()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        # Now it waits for another request, and whoever comes gets its place.
        _, newcomer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        assert peers.open <= 1
        writer.close()
        newcomer.close()


def has_begun(peers: PeerCounter) -> bool:
    """Whether something of a request has come."""
    return any(getattr(each, "_in_head", False) or not each.idle for each in peers._sessions)


async def test_who_sends_a_head_or_a_body_gives_way() -> None:
    async with serving(total=1) as (port, peers), asyncio.timeout(30):
        for begin, end in ((GET[:-2], b"HTTP/1.1 503 "), (REQUEST % (5, b"") + b"abc", b"")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begin)
            while not has_begun(peers):  # noqa: ASYNC110 - the protocol tells nobody
                await asyncio.sleep(0.005)
            _, newcomer = await asyncio.open_connection("127.0.0.1", port)
            heard = await reader.read()
            assert heard[: len(end) or None] == end
            writer.close()
            newcomer.close()
            while peers.open:  # noqa: ASYNC110 - the counter tells nobody
                await asyncio.sleep(0.005)


async def test_who_has_proved_who_they_are_keeps_the_place() -> None:
    async def proves(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope[KNOWN]()
        await echo(scope, receive, send)

    async with serving(app=proves, total=1) as (port, _), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        assert (await exchange(port, GET)).startswith(b"HTTP/1.1 503 ")
        writer.close()


async def until(so: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(30):
        while not so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_requests_behind_one_another_are_bounded_and_answered_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 9112 9.3.2: who sends more than may wait hears `close` with the last answer."""
    go, began, came = asyncio.Event(), 0, 0
    receive_data = BoundedProtocol.data_received

    def counted(self: BoundedProtocol, data: bytes) -> None:
        nonlocal came
        receive_data(self, data)
        came += len(data)

    async def slow(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        nonlocal began
        began += 1
        await receive()
        await go.wait()
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    monkeypatch.setattr(BoundedProtocol, "data_received", counted)
    async with serving(app=slow) as (port, peers):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET * 20_000)
        # All is read, as what is not would take the answers away with it, and nothing is kept.
        await until(lambda: came == len(GET) * 20_000)
        [session] = peers._sessions
        assert isinstance(session, BoundedProtocol)
        assert len(session.pipeline) == http.MOST_WAITING
        go.set()
        async with asyncio.timeout(30):
            heard = await reader.read(-1)
        writer.close()
    assert heard.count(b"HTTP/1.1 200 OK\r\n") == began == http.MOST_WAITING + 1
    assert heard.count(b"connection: close") == 1
    assert b"connection: close" in heard.rpartition(b"HTTP/1.1 200 OK\r\n")[2]


async def test_a_few_requests_behind_one_another_are_all_answered() -> None:
    async with serving() as (port, _):
        last = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
        heard = await exchange(port, GET * 20 + last)
        assert heard.count(b"HTTP/1.1 200 OK\r\n") == 21


async def test_a_head_of_very_many_fields_is_refused() -> None:
    async with serving() as (port, _):
        many = b"GET / HTTP/1.1\r\nHost: a.test\r\n%b\r\n" % (b"a:\r\n" * (http.MOST_FIELDS + 1))
        assert (await exchange(port, many)).startswith(b"HTTP/1.1 431 ")
        some = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n%b\r\n"
        heard = await exchange(port, some % (b"a:\r\n" * (http.MOST_FIELDS - 2)))
        assert heard.startswith(b"HTTP/1.1 200 ")


CHUNKED = b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n%b\r\n1\r\nx\r\n"


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"0\r\n", b"a:b\r\n" * 4_000), (b"0\r\na: ", b"y" * 16_384), (b"1;e=", b"y" * 16_384)],
    ids=["fields", "value", "extension"],
)
async def test_a_trailer_without_end_is_cut(begin: bytes, piece: bytes) -> None:
    async with serving() as (port, peers), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED % b"" + begin + piece * 100)
        with suppress(ConnectionError):
            # It ends, though the request never does.
            assert await reader.read() == b""
        writer.close()
        await until(lambda: not peers.open)


async def test_a_trailer_is_no_header() -> None:
    """RFC 9110 6.5.1: who does not know what a trailer field says leaves it out."""
    seen: list[bytes] = []

    async def told(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        seen.extend(name for name, _ in scope["headers"])

    async with serving(app=told) as (port, _):
        body = CHUNKED % b"Connection: close\r\n" + b"0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
        assert (await exchange(port, body)).endswith(b"x")
    assert seen == [b"host", b"transfer-encoding", b"connection"]


async def test_a_head_that_is_refused_does_not_answer_the_request_before_it() -> None:
    go = asyncio.Event()

    async def slow(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await go.wait()
        await echo(scope, receive, send)

    async with serving(app=slow) as (port, _):
        many = b"GET / HTTP/1.1\r\n%b\r\n" % (b"a:\r\n" * (http.MOST_FIELDS + 1))
        assert await exchange(port, GET, many) == b""
        go.set()


async def test_who_was_answered_before_the_body_was_there_gives_way() -> None:
    async def hasty(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app=hasty, total=1) as (port, peers), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST % (5, b"") + b"abc")
        assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
        (session,) = peers._sessions
        writer.write(b"de")
        while session._timer is None:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        _, newcomer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        assert session not in peers._sessions
        writer.close()
        newcomer.close()


async def test_requests_sent_without_waiting_keep_the_place_until_the_last_is_answered() -> None:
    go_on = [asyncio.Event(), asyncio.Event()]
    begun: list[int] = []

    async def slow(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        begun.append(1)
        await go_on[len(begun) - 1].wait()
        await echo(scope, receive, send)

    async with serving(app=slow, total=1) as (port, _), asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + GET)
        while not begun:  # noqa: ASYNC110 - the application tells nobody
            await asyncio.sleep(0.005)
        go_on[0].set()
        while len(begun) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert (await exchange(port, GET)).startswith(b"HTTP/1.1 503 ")
        go_on[1].set()
        heard = b""
        while heard.count(b"HTTP/1.1 200 ") < 2:
            heard += await reader.read(1024)
        writer.close()

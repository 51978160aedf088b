"""HTTP: uvicorn's protocol on our own listeners, and the paths of everything web.

uvicorn's server class is left out on purpose: sockets, signals and shutdown are the node's. Its
protocol bounds neither the head of a request and the time until it is there, nor its fields,
trailers and the requests that wait behind it; ours does.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from workpost.node.sockets import Listener
from workpost.protocols.listening.accepting import Acceptor
from workpost.protocols.listening.limits import peer_network
from workpost.protocols.listening.peers import KNOWN, PeerCounter
from workpost.protocols.listening.proxy import Client, Proxies

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HANDSHAKE_SECONDS = 20.0
HEAD_SECONDS = 30.0
"""Time for a client to send a whole request line with its headers."""
MOST_HEAD = 64 * 1024
"""Bytes of them, or of a trailer, one read more at most: the parser itself has no bound."""
MOST_FIELDS = 500
"""Fields of a head and its trailer together: of three bytes each some are a hundred in memory."""
MOST_WAITING = 32
"""Requests of a client that wait for the answers of those before them (RFC 9112 9.3.2)."""

_TOO_LARGE = b"431 Request Header Fields Too Large"
_TOO_MANY = b"503 Service Unavailable"


class WebApp:
    """Paths to applications; whatever no other claims is the API's.

    A path that ends with a slash stands for everything one level below it.
    """

    def __init__(self, api: App, paths: dict[str, App]) -> None:
        self._api = api
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        path = scope.get("path", "")
        app = self._paths.get(path) or self._paths.get(path[: path.rfind("/") + 1], self._api)
        await app(scope, receive, send)


class BoundedProtocol(HttpToolsProtocol):
    """One client: counted with all others, and cut when the head of a request has no end.

    `named` is who it is where a proxy has said so.
    """

    def __init__(
        self,
        peers: PeerCounter,
        config: uvicorn.Config,
        state: ServerState,
        named: Client | None = None,
    ) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._named = named
        self._peers = peers
        self._in_head = False
        self._head = 0
        self._fields = 0
        self._told = 0
        self._deaf = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._named is not None:
            self.client = self._named
        network = peer_network(self.client[0] if self.client else "")
        if self._peers.enter(network, self):
            self._expect_head()
        else:
            self._refuse(_TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        self._peers.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf or self.transport.is_closing():
            return
        if self._timer is None and self.idle:
            self._expect_head()
        told = self._told
        super().data_received(data)
        # Nothing but a head, a trailer or a chunk's extensions goes on for long without a piece.
        self._head = self._head + len(data) if told == self._told else 0
        if self._head > MOST_HEAD:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        if not self._deaf and len(self.pipeline) >= MOST_WAITING:
            # The last that is answered tells that nothing else will be (RFC 9112 9.6).
            self._deaf = True
            self.cycle.keep_alive = False
            # What comes is thrown away: left unread it would take the answers with it.
            self.flow.resume_reading()
        if self._deaf:
            return
        self._told += 1
        self._in_head = True
        self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._deaf:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._deaf:
            return
        self._fields += 1
        if self._fields > MOST_FIELDS:
            self._refuse(_TOO_LARGE)
        elif self._in_head:
            # Trailers are left out: nothing here has a use for them (RFC 9110 6.5.1).
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._told += 1
        self._head_is_there()
        super().on_headers_complete()
        self.scope[KNOWN] = self._know  # type: ignore[literal-required]

    def on_body(self, body: bytes) -> None:
        if not self._deaf:
            self._told += 1
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        self._told += 1
        # The answer may have gone before the body was there: then nothing is under way.
        if not self.idle:
            # Where others hold too many places it goes on, and may be ended.
            self._peers.hold(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        # Of requests sent without waiting, the last one says whether any is left to be answered.
        if self.idle or self.cycle.more_body:
            self._peers.release(self)
        super().on_response_complete()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered or received."""
        return getattr(self.cycle, "response_complete", True)

    def give_way(self) -> None:
        """There is no room for it any more (RFC 9110 15.6.4, RFC 9112 9.5)."""
        if self.transport.is_closing():
            self.transport.abort()
        elif self._in_head:
            self._refuse(_TOO_MANY)
        else:
            # A 503 that nothing was asked for could be taken for the answer to what comes next.
            self._cut()

    def _know(self) -> None:
        self._peers.know(self)

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._cut)

    def _head_is_there(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self._timer = None
        self.transport.abort()

    def _refuse(self, status: bytes) -> None:
        self._deaf = True
        answering = not self.idle
        self._head_is_there()
        if answering:
            # It would be taken for the answer to a request before this one, or break one off.
            self.transport.abort()
            return
        head = b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.transport.write(head % status)
        self.transport.close()


class HttpServer:
    """One HTTP or HTTPS listener; `peers` counts its connections, `proxies` name clients."""

    def __init__(
        self,
        app: App,
        peers: PeerCounter,
        context: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._peers = peers
        self._config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            # Its warnings are about what strangers send, one line for each request.
            log_level="error",
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        self._config.load()
        self._state = ServerState()
        self._acceptor = Acceptor(
            peers, self._protocol, context=context, proxies=proxies, seconds=HANDSHAKE_SECONDS
        )

    async def start(self, listener: Listener) -> None:
        """Accept on the listener's sockets."""
        await self._acceptor.start(listener.sockets)

    def _protocol(self, client: Client | None) -> asyncio.Protocol:
        return BoundedProtocol(self._peers, self._config, self._state, client)

    async def stop(self, grace: float) -> None:
        """Accept no more, let requests under way finish for `grace` seconds, then close."""
        self._acceptor.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + grace
        while self._state.connections or self._state.tasks:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.02)
        for task in list(self._state.tasks):
            task.cancel()

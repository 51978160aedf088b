"""HTTP: uvicorn's protocol on our own listeners, and the paths of everything web.

uvicorn's server class is left out on purpose: sockets, signals and shutdown are the node's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from workpost.node.sockets import BACKLOG, Listener

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HANDSHAKE_SECONDS = 20.0


class WebApp:
    """Paths to applications; whatever no other claims is the API's."""

    def __init__(self, api: App, paths: dict[str, App]) -> None:
        self._api = api
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        app = self._paths.get(scope.get("path", ""), self._api)
        await app(scope, receive, send)


class HttpServer:
    """One HTTP or HTTPS listener."""

    def __init__(self, app: App, context: ssl.SSLContext | None = None) -> None:
        self._config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        self._config.load()
        self._state = ServerState()
        self._context = context
        self._servers: list[asyncio.Server] = []

    async def start(self, listener: Listener) -> None:
        """Accept on the listener's sockets."""
        loop = asyncio.get_running_loop()
        for bound in listener.sockets:
            self._servers.append(
                await loop.create_server(
                    self._protocol,
                    sock=bound,
                    backlog=BACKLOG,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS if self._context else None,
                )
            )

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._state, app_state={}
        )
        return made

    async def stop(self, grace: float) -> None:
        """Accept no more, let requests under way finish for `grace` seconds, then close."""
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + grace
        while self._state.connections or self._state.tasks:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.02)
        for task in list(self._state.tasks):
            task.cancel()

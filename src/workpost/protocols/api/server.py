"""The API as an ASGI application, served by whatever HTTP server the node runs."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import aclosing
from typing import Any

from workpost.kernel.errors import TryLater
from workpost.protocols.api.dispatch import Dispatcher
from workpost.protocols.api.errors import ApiError
from workpost.protocols.api.wire.body import MAX_BODY
from workpost.protocols.signing.messages import ApiRequest, ApiResponse, Streamed

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 30.0
STALLED_SECONDS = 60.0
"""How long a client may take for one piece of a streamed body."""
MAX_DRAINED = 8 << 20
"""Bytes of an oversized body that are read and thrown away, so that the client hears the 413."""


class Disconnected(Exception):
    """The client went away in the middle of its body."""


class ApiApplication:
    """Adapts HTTP to the dispatcher.

    Run it with uvicorn's `date_header=False`: the dispatcher's Date comes from the same clock as
    its checks of signatures. Requests from `trusted_proxies` (networks) are verified against the
    X-Forwarded-Host that the client signed, and count as TLS when X-Forwarded-Proto says so.
    """

    def __init__(self, dispatcher: Dispatcher, *, trusted_proxies: Iterable[str] = ()) -> None:
        self._dispatcher = dispatcher
        self._proxies = [ipaddress.ip_network(network) for network in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3); other kinds of connection are closed."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(scope, receive)
        except Disconnected:
            return
        await send(
            {"type": "http.response.start", "status": response.status, "headers": response.headers}
        )
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        elif isinstance(response.body, Streamed):
            await _send_pieces(response.body, send)
        else:
            await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: Scope, receive: Receive) -> ApiResponse:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = None if _announces_too_much(scope) else await _read_body(receive)
        except TimeoutError:
            error = ApiError("RequestTimeoutException", "The body did not arrive in time.")
            return _closing(self._dispatcher.refuse(error))
        if body is None:
            error = ApiError("RequestEntityTooLarge", f"Bodies are limited to {MAX_BODY} bytes.")
            return _closing(self._dispatcher.refuse(error))
        return await self._dispatcher.handle(self._request(scope, body))

    def _request(self, scope: Scope, body: bytes) -> ApiRequest:
        peer = scope["client"][0] if scope.get("client") else ""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        is_tls = scope.get("scheme") == "https"
        if self._proxies and self._trusts(peer):
            forwarded = dict(headers)
            host = forwarded.get(b"x-forwarded-host")
            if host is not None:
                headers = [(n, host if n == b"host" else value) for n, value in headers]
            is_tls = forwarded.get(b"x-forwarded-proto", b"").strip().lower() == b"https" or is_tls
            peer = _nearest(forwarded.get(b"x-forwarded-for", b"")) or peer
        return ApiRequest(
            method=scope["method"].encode("latin-1"),
            path=scope.get("raw_path") or scope["path"].encode(),
            query=scope["query_string"],
            headers=headers,
            body=body,
            peer=peer,
            is_tls=is_tls,
        )

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def _nearest(forwarded: bytes) -> str:
    """The address that a proxy has put last, "" for what is none.

    It stands in the audit log and is counted by: a proxy may pass on what a client has made up.
    """
    last = forwarded.rpartition(b",")[2].strip().decode("latin-1")
    try:
        # A zone could hold anything.
        return str(ipaddress.ip_address(last.partition("%")[0]))
    except ValueError:
        return ""


async def _send_pieces(body: Streamed, send: Send) -> None:
    """Send a body piece by piece.

    Whatever breaks it off ends the connection: the client has been told its length, and the HTTP
    server closes after an answer that is not complete.
    """
    try:
        async with aclosing(body.pieces) as pieces:
            async for piece in pieces:
                async with asyncio.timeout(STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        log.warning("a client has taken nothing of its answer for %s seconds", STALLED_SECONDS)
    except TryLater as error:
        log.warning("an answer breaks off: %s", error)
    else:
        await send({"type": "http.response.body", "body": b""})


def _announces_too_much(scope: Scope) -> bool:
    """More than is ever read: no client with `Expect: 100-continue` has to send it."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    return length.isdigit() and (len(length) > 12 or int(length) > MAX_DRAINED)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is over the limit; raises Disconnected."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body", False) or size > MAX_DRAINED:
            break
    if size > MAX_BODY:
        return None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _closing(response: ApiResponse) -> ApiResponse:
    return ApiResponse(
        response.status, [*response.headers, (b"Connection", b"close")], response.body
    )

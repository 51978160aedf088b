"""The S3 door as an ASGI application.

It shares the API's listeners: a request is S3's when the scope of its signature says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from email.utils import formatdate
from typing import Any

from workpost.integrations.s3.mapping import Depots
from workpost.kernel.errors import Busy, TryLater
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.protocols.listening.peers import KNOWN
from workpost.protocols.s3 import limits
from workpost.protocols.s3.documents import MAX_DOCUMENT
from workpost.protocols.s3.errors import S3Error, translate
from workpost.protocols.s3.incoming import Incoming, NoBody, Receive
from workpost.protocols.s3.objects import answer
from workpost.protocols.s3.replies import XML, Reply
from workpost.protocols.s3.request import Asked, Proven, prove, read
from workpost.protocols.s3.threads import ROOM, ROOMS, apart
from workpost.protocols.s3.wire import answers
from workpost.protocols.signing.messages import ApiRequest, index_headers
from workpost.protocols.signing.signature import SigningKeys
from workpost.store.core import Core

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODIES = frozenset({"PUT", "POST"})
IN_HEADER = b"/s3/aws4_request"
IN_QUERY = b"%2Fs3%2Faws4_request"

REQUESTS = counter("workpost_s3_requests_total", "Requests to the S3 door.", "method", "status")

log = logger("s3")


class Doors:
    """Sends requests that are signed for S3 to its door, and all others on."""

    def __init__(self, s3: App, others: App) -> None:
        self._s3 = s3
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        await (self._s3 if _is_s3(scope) else self._others)(scope, receive, send)


def _is_s3(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    if IN_QUERY in scope.get("query_string", b""):
        return True
    return any(name == b"authorization" and IN_HEADER in value for name, value in scope["headers"])


class S3Application:
    """Answers requests for objects in the mapped buckets."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._keys = SigningKeys()
        self._depots = Depots()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        # What is answered takes room until it is sent.
        async with AsyncExitStack() as held:
            await self._serve(scope, receive, send, held)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, held: AsyncExitStack
    ) -> None:
        request_id = self._core.env.new_hex()[:16].upper()
        closing = False
        try:
            reply = await self._answer(scope, receive, held)
        except Exception as error:
            fault = translate(error)
            if fault.code == "InternalError":
                log.exception("a request to the S3 door failed", request=request_id)
            body = answers.error(fault.code, fault.message, scope["path"], request_id)
            reply = Reply(fault.status, {"Content-Type": XML}, body)
            # Whatever is left of the body is nobody's.
            closing = scope["method"] in BODIES
        method = scope["method"]
        REQUESTS.labels(method if method in _METHODS else "other", str(reply.status)).inc()
        headers = {
            "x-amz-request-id": request_id,
            "Date": formatdate(self._core.env.now() / 1000, usegmt=True),
            "Content-Length": str(len(reply.body)),
            **({"Connection": "close"} if closing else {}),
            **reply.headers,
        }
        if reply.status in {204, 304}:
            del headers["Content-Length"]
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        try:
            await _send_body(send, reply._replace(body=b"") if method == "HEAD" else reply)
        except TimeoutError:
            # The server closes after an answer that is not complete.
            log.warning("a function has stopped to take its answer", request=request_id)
        except TryLater:
            log.warning("an object broke off in the middle of its answer", request=request_id)

    async def _answer(self, scope: Scope, receive: Receive, held: AsyncExitStack) -> Reply:
        request = ApiRequest(
            method=scope["method"].encode("latin-1"),
            path=scope.get("raw_path") or scope["path"].encode(),
            query=scope["query_string"],
            headers=list(scope["headers"]),
        )
        headers = index_headers(request.headers)
        asked = read(request, headers)
        # The head is proven before anything of the body is taken in.
        proven = await prove(self._core, request, headers, self._keys)
        account = proven.caller.account
        if (know := scope.get(KNOWN)) is not None:
            know()
        try:
            ROOM.set(await held.enter_async_context(ROOMS.enter(account, limits.PATIENCE_SECONDS)))
        except Busy as error:
            raise S3Error("SlowDown", error.message) from None
        body = _body(asked, proven, receive)
        reply = await answer(self._core, self._depots, account, asked, body)
        if reply.reading is not None:
            held.push_async_callback(apart, reply.reading.close)
        return reply


def _body(asked: Asked, proven: Proven, receive: Receive) -> Incoming | NoBody:
    """The body of a request. Raises S3Error."""
    if asked.method not in BODIES:
        return NoBody()
    if asked.method == "PUT":
        return Incoming(asked, proven, receive, limits.MOST_BODY)
    # What completes an upload tells the checksum of the object.
    return Incoming(asked, proven, receive, MAX_DOCUMENT, of_body="uploadId" not in asked.query)


async def _send_body(send: Send, reply: Reply) -> None:
    """Send a body in pieces. Raises TimeoutError when the client takes none for long, TryLater."""
    reading = reply.reading
    left = int(reply.headers["Content-Length"]) if reading is not None else 0
    while reading is not None and left:
        piece = await apart(reading.read, limits.PIECE)
        left -= len(piece)
        async with asyncio.timeout(limits.STALLED_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    async with asyncio.timeout(limits.STALLED_SECONDS):
        await send({"type": "http.response.body", "body": reply.body})


_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})

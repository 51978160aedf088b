"""The S3 door as an ASGI application.

It shares the API's listeners: a request is S3's when the scope of its signature says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any

from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.protocols.s3.errors import S3Error, translate
from workpost.protocols.s3.objects import MAX_OBJECT, XML, Reply, answer
from workpost.protocols.s3.request import open_body, prove, read
from workpost.protocols.s3.rooms import Rooms
from workpost.protocols.s3.wire import answers
from workpost.protocols.signing.messages import ApiRequest, index_headers
from workpost.protocols.signing.signature import SigningKeys
from workpost.store.core import Core

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 60.0
MOST_BODY = MAX_OBJECT + (MAX_OBJECT >> 6)
"""Bytes of a body with the heads of its chunks."""
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
        self._rooms = Rooms()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        request_id = self._core.env.new_hex()[:16].upper()
        closing = False
        try:
            reply = await self._answer(scope, receive)
        except Exception as error:
            fault = translate(error)
            if fault.code == "InternalError":
                log.exception("a request to the S3 door failed", request=request_id)
            body = answers.error(fault.code, fault.message, scope["path"], request_id)
            reply = Reply(fault.status, {"Content-Type": XML}, body)
            # Whatever is left of the body is nobody's.
            closing = scope["method"] == "PUT"
        method = scope["method"]
        REQUESTS.labels(method if method in _METHODS else "other", str(reply.status)).inc()
        headers = {
            "x-amz-request-id": request_id,
            "Date": formatdate(self._core.env.now() / 1000, usegmt=True),
            "Content-Length": str(len(reply.body)),
            **({"Connection": "close"} if closing else {}),
            **reply.headers,
        }
        if reply.status == 204:
            del headers["Content-Length"]
        fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        body = b"" if method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
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
        async with self._rooms.enter(account):
            body = b""
            if asked.method == "PUT":
                body = open_body(asked, proven, await _read_body(asked.header, receive))
            return await answer(self._core, account, asked, body)


_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})


async def _read_body(header: Callable[[str], str], receive: Receive) -> bytes:
    length = header("content-length")
    if not length.isdigit():
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")
    too_large = S3Error(
        "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."
    )
    if len(length) > 12 or int(length) > MOST_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise S3Error("IncompleteBody", "The body did not come to its end.")
                body += message.get("body", b"")
                if len(body) > MOST_BODY:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise S3Error("RequestTimeout", "The body did not arrive in time.") from None

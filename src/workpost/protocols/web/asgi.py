"""The little of ASGI 3 that answers of one piece need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TEXT = "text/plain; charset=utf-8"


async def answer(
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: str = TEXT,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send one whole answer, of which browsers guess no other type."""
    fields = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def is_read(scope: Scope) -> bool:
    """Whether the request only reads."""
    return scope.get("method") in {"GET", "HEAD"}


def host_of(scope: Scope) -> str:
    """The name in the request's Host field, without port and last dot, in lower case; or ""."""
    for name, value in scope.get("headers", ()):
        if name == b"host":
            text: str = value.decode("latin-1").lower()
            host, _, port = text.rpartition(":")
            if host and port.isdigit():
                text = host
            return text.removesuffix(".")
    return ""

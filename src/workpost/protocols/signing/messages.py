"""Plain requests and responses, apart from any HTTP server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec


class ApiRequest(msgspec.Struct, frozen=True):
    """One HTTP request as it arrived, nothing rebuilt: signatures cover the bytes of the wire."""

    method: bytes
    path: bytes
    """Still percent-encoded, without the query."""
    query: bytes
    headers: list[tuple[bytes, bytes]]
    """Lower-case names, in order of arrival, repeated ones kept."""
    body: bytes = b""
    peer: str = ""
    """IP address of the client."""
    is_tls: bool = False


class Streamed(msgspec.Struct, frozen=True):
    """A body that is sent in pieces, `size` bytes in all."""

    size: int
    pieces: AsyncGenerator[bytes, None]


class ApiResponse(msgspec.Struct, frozen=True):
    """One HTTP response, complete but for the pieces of a streamed body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | Streamed


def index_headers(headers: list[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Values by lower-case name, in order of arrival."""
    index: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in index:
            index[name].append(value)
        else:
            index[name] = [value]
    return index

"""One HTTP/1.1 request to a provider: bounded in time and size, no redirects, no connection kept.

Written over streams because a deadline has to hold for the whole exchange: a provider that sends a
byte now and then must not hold anybody up.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httptools
import msgspec

from workpost.kernel.errors import TryLater

SECONDS = 10.0
MAX_BODY = 1 << 20
MAX_HEADER = 64 * 1024
PIECE = 64 * 1024


class Answer(msgspec.Struct, frozen=True):
    """What a provider answered."""

    status: int
    body: bytes


class _Reading:
    """Collects an answer; httptools calls it."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False
        self.ends_with_connection = False
        self._is_framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._is_framed |= name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        self.ends_with_connection = not self._is_framed

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


async def fetch(
    url: str,
    *,
    tls: ssl.SSLContext,
    headers: Mapping[str, str] | None = None,
    form: bytes | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """GET a URL, or POST a form to it. Raises TryLater for anything but a whole HTTP answer."""
    where = urlsplit(url)
    host = where.hostname or ""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                host,
                where.port or (443 if where.scheme == "https" else 80),
                ssl=tls if where.scheme == "https" else None,
            )
            try:
                writer.write(_request(url, headers or {}, form))
                return await _read(reader)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError, httptools.HttpParserError) as error:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        raise TryLater(f"The identity provider at {host} cannot be reached ({reason}).") from None


def _request(url: str, headers: Mapping[str, str], form: bytes | None) -> bytes:
    where = urlsplit(url)
    target = (where.path or "/") + (f"?{where.query}" if where.query else "")
    lines = {
        "Host": where.netloc.rpartition("@")[2],
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "workpost",
        "Connection": "close",
        **headers,
    }
    if form is not None:
        lines["Content-Type"] = "application/x-www-form-urlencoded"
        lines["Content-Length"] = str(len(form))
    head = f"{'GET' if form is None else 'POST'} {target} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode("ascii") + b"\r\n" + (form or b"")


async def _read(reader: asyncio.StreamReader) -> Answer:
    reading = _Reading()
    parser = httptools.HttpResponseParser(reading)
    received = 0
    while not reading.complete:
        piece = await reader.read(PIECE)
        if not piece:
            # RFC 9112 6.3: without a length the body ends with the connection.
            if not reading.ends_with_connection:
                raise ValueError("the answer is not complete")
            break
        received += len(piece)
        if received > MAX_BODY + MAX_HEADER:
            raise ValueError("the answer is too long")
        parser.feed_data(piece)
    return Answer(parser.get_status_code(), bytes(reading.body))

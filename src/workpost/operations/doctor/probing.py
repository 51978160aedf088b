"""Talking to a listener for as long as it takes to know what it is, and its certificate."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import msgspec
from cryptography import x509

SECONDS = 10.0
"""For one listener."""
MOST_LINE = 4_096
MOST_LINES = 64

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Talk(msgspec.Struct, frozen=True):
    """What a listener said first, and the certificate it showed, if any."""

    greeting: str
    certificate: x509.Certificate | None = None
    headers: dict[str, str] = {}
    """Of an HTTP response, by name in lower case."""


class Unexpected(Exception):
    """It answers, but not what was expected; the message says what."""


def _context() -> ssl.SSLContext:
    """The certificate is judged afterwards, so that a bad one can be told of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def talk(kind: str, host: str, port: int, name: str) -> Talk:
    """Connect to a listener called `kind` and greet it; `name` is the server's.

    Raises OSError, TimeoutError, Unexpected.
    """
    async with asyncio.timeout(SECONDS):
        first = kind in {"https", "submissions", "imaps"}
        async with connected(host, port, name if first else "") as streams:
            if kind in {"http", "https", "acme"}:
                return await _http(streams, name)
            if kind in {"imap", "imaps"}:
                return await _imap(streams, name, starttls=kind == "imap")
            if kind == "managesieve":
                return await _managesieve(streams, name)
            return await _smtp(streams, name, starttls=kind != "submissions")


@contextlib.asynccontextmanager
async def connected(host: str, port: int, tls_name: str = "") -> AsyncIterator[Streams]:
    """A connection that is cut at the end, with TLS from the start where a name is given."""
    context = _context() if tls_name else None
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=tls_name or None, limit=MOST_LINE
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _shown(writer: asyncio.StreamWriter) -> x509.Certificate | None:
    tls = writer.get_extra_info("ssl_object")
    if tls is None:
        return None
    return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))


async def read_line(reader: asyncio.StreamReader) -> str:
    """A line without its end. Raises Unexpected for none, and for one without end."""
    try:
        line = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise Unexpected("it hangs up without a word") from error
    return line.decode("utf-8", "replace").rstrip("\r\n")


async def smtp_reply(reader: asyncio.StreamReader, wanted: str) -> list[str]:
    """The lines of a reply with the wanted code (RFC 5321 4.2). Raises Unexpected."""
    lines = []
    for _ in range(MOST_LINES):
        lines.append(await read_line(reader))
        if lines[-1][:3] != wanted:
            raise Unexpected(f"it says {lines[-1][:100]!r}")
        if lines[-1][3:4] != "-":
            return lines
    raise Unexpected("its reply has no end")


async def _smtp(streams: Streams, name: str, *, starttls: bool) -> Talk:
    reader, writer = streams
    greeting = (await smtp_reply(reader, "220"))[0]
    writer.write(b"EHLO doctor.invalid\r\n")
    offers = await smtp_reply(reader, "250")
    if not starttls:
        return Talk(greeting, _shown(writer))
    if not any(line[4:].upper() == "STARTTLS" for line in offers):
        raise Unexpected("it does not offer STARTTLS")
    writer.write(b"STARTTLS\r\n")
    await smtp_reply(reader, "220")
    await writer.start_tls(_context(), server_hostname=name)
    writer.write(b"EHLO doctor.invalid\r\n")
    await smtp_reply(reader, "250")
    return Talk(greeting, _shown(writer))


async def _imap(streams: Streams, name: str, *, starttls: bool) -> Talk:
    reader, writer = streams
    greeting = await read_line(reader)
    if not greeting.startswith("* OK"):
        raise Unexpected(f"it says {greeting[:100]!r}")
    if not starttls:
        return Talk(greeting, _shown(writer))
    writer.write(b"a STARTTLS\r\n")
    for _ in range(MOST_LINES):
        line = await read_line(reader)
        if line.startswith("a OK"):
            await writer.start_tls(_context(), server_hostname=name)
            writer.write(b"b NOOP\r\n")
            await read_line(reader)
            return Talk(greeting, _shown(writer))
        if line.startswith("a "):
            break
    raise Unexpected("it does not offer STARTTLS")


async def _managesieve(streams: Streams, name: str) -> Talk:
    reader, writer = streams
    greeting = await _sieve_response(reader)
    writer.write(b"STARTTLS\r\n")
    await _sieve_response(reader)
    await writer.start_tls(_context(), server_hostname=name)
    await _sieve_response(reader)
    return Talk(greeting, _shown(writer))


async def _sieve_response(reader: asyncio.StreamReader) -> str:
    """The OK that ends an answer (RFC 5804 1.2). Raises Unexpected for NO and BYE."""
    for _ in range(MOST_LINES):
        line = await read_line(reader)
        if line.startswith("OK"):
            return line
        if not line.startswith('"'):
            raise Unexpected(f"it says {line[:100]!r}")
    raise Unexpected("its answer has no end")


async def _http(streams: Streams, name: str) -> Talk:
    reader, writer = streams
    request = f"GET /healthz HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    status = await read_line(reader)
    if not status.startswith("HTTP/1."):
        raise Unexpected(f"it says {status[:100]!r}")
    return Talk(status, _shown(writer), await read_headers(reader))


async def read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    """The header fields of a response. Raises Unexpected."""
    found: dict[str, str] = {}
    for _ in range(MOST_LINES):
        line = await read_line(reader)
        if not line:
            return found
        field, _, value = line.partition(":")
        found[field.strip().lower()] = value.strip()
    raise Unexpected("its headers have no end")

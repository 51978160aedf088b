"""HTTP/1.1 as the way out speaks it: a request as bytes, and a response read within bounds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlsplit

import httptools
import msgspec

HEAD_BYTES = 64 * 1024
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_SAFE = "/?:@!$&'()*+,;=%-._~"


class Unreadable(Exception):
    """What came is no response of HTTP/1.1, or breaks off; the message says how."""


class TooLarge(Exception):
    """The response is over its bound."""


class Target(msgspec.Struct, frozen=True):
    """An http(s) URL taken apart; `host` without brackets, `path` with its query, ASCII."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be the same for credentials to be sent again."""
        return self.scheme, self.host, self.port


def parse_target(url: str) -> Target:
    """Take a URL apart. Raises ValueError for what is no http(s) URL, or carries a password."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("the URL does not begin with http(s):// and a host")
    if parts.username is not None:
        raise ValueError("the URL holds a user name")
    if ":" in host and "%" not in host:
        ipaddress.IPv6Address(host)
    elif _HOST.fullmatch(host) is None:
        raise ValueError("the host of the URL is malformed")
    port = parts.port if parts.port is not None else {"http": 80, "https": 443}[parts.scheme]
    if not 1 <= port <= 65535:
        raise ValueError("the port of the URL is out of range")
    path = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        path += "?" + quote(parts.query, safe=_SAFE)
    return Target(parts.scheme, host.lower(), port, path)


def request_bytes(
    target: Target, headers: Mapping[str, str], body: bytes, method: str = "POST"
) -> bytes:
    """A request. Raises ValueError for a header that would end its line."""
    fields = {
        "Host": target.authority,
        **headers,
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if method == "POST":
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target.path} HTTP/1.1"]
    for name, value in fields.items():
        if any(ord(letter) < 32 or ord(letter) > 126 for letter in name + value):
            raise ValueError(f"the field {name} is not printable ASCII")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


class Source(Protocol):
    """Where the response comes from."""

    async def read(self, n: int) -> bytes:
        """Up to `n` bytes, none at the end."""
        ...


class _Reading:
    """What httptools calls back; responses of the 1xx kind are passed over."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = 0
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.headed = False
        self.complete = False

    def on_message_begin(self) -> None:
        if self.complete:
            raise Unreadable("there is more than one answer")
        self.headers, self.body, self.headed = {}, bytearray(), False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if self._head > HEAD_BYTES:
            raise TooLarge
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, data: bytes) -> None:
        if len(self.body) + len(data) > self._limit:
            raise TooLarge
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = self.parser.get_status_code() >= 200


async def read_response(source: Source, limit: int) -> tuple[int, dict[str, str], bytes]:
    """Status, fields (names in lower case) and body of at most `limit` bytes.

    Raises Unreadable, TooLarge.
    """
    reading = _Reading(limit)
    fed = 0
    while not reading.complete:
        data = await source.read(64 * 1024)
        if not data:
            if reading.headed and not {"content-length", "transfer-encoding"} & set(
                reading.headers
            ):
                break
            raise Unreadable("the answer breaks off")
        fed += len(data)
        if fed > limit * 2 + HEAD_BYTES:
            raise TooLarge
        try:
            reading.parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, TooLarge | Unreadable):
                raise error.__context__ from None
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Unreadable("the answer is not HTTP") from error
    if reading.headers.get("content-encoding", "identity") != "identity":
        raise Unreadable("the answer is compressed, which was not asked for")
    return reading.parser.get_status_code(), reading.headers, bytes(reading.body)

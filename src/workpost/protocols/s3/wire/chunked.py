"""Bodies in the encoding `aws-chunked`: sizes, signatures and checksums between the data.

Source: "Signature calculations for the Authorization header: transferring payload in multiple
chunks" and "... including trailing headers" of the S3 API reference.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import NamedTuple

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = frozenset((SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER))

MAX_LINE = 4096
"""Bytes of a line between chunks, and of all trailing fields."""
MAX_TRAILERS = 16
SMALL = 8192
"""Bytes below which S3 takes no chunk but the last."""
MAX_SMALL = 1000
"""So many of them are taken here; each costs as much time as a large one."""
_EMPTY = hashlib.sha256(b"").hexdigest()


class ChunksMalformed(ValueError):
    """The body is no sequence of chunks."""


class ChunkUnsigned(ValueError):
    """The signature of a chunk, or of the trailing fields, is not theirs."""


class Seal(NamedTuple):
    """What the signatures of chunks are made with."""

    key: bytes
    timestamp: str
    scope: str
    seed: str
    """The signature of the request."""


class Decoder:
    """Takes a body in pieces of any size, and gives the data of its chunks.

    What it holds is bounded. Data are given before the signature of their chunk has come: nothing
    may be done with them that cannot be taken back before `finish`.
    """

    def __init__(self, length: int, seal: Seal | None, *, trailing: bool) -> None:
        """`length` is what the request has announced; `seal` None: chunks are not signed."""
        self._length = length
        self._seal = seal
        self._trailing = trailing
        self._previous = seal.seed if seal is not None else ""
        self._buffer = b""
        """Of a line, or of the trailing fields; never of data."""
        self._left = 0
        """Bytes of the chunk that have not come."""
        self._ended = True
        """The chunk before was followed by its line end."""
        self._last = False
        self._small = 0
        self._claimed = ""
        self._hash = hashlib.sha256()
        self._seen = 0

    def feed(self, body: bytes) -> Iterator[bytes]:
        """Data that a piece of the body brings. Raises ChunksMalformed, ChunkUnsigned."""
        rest = memoryview(body)
        while rest:
            if self._left:
                data, rest = bytes(rest[: self._left]), rest[self._left :]
                self._take(data)
                yield data
                continue
            if self._last:
                if not self._trailing:
                    return
                self._buffer += bytes(rest[: MAX_LINE + 1])
                if len(self._buffer) > MAX_LINE:
                    raise ChunksMalformed("the trailing fields are too long")
                return
            rest = self._line(rest)

    def finish(self) -> dict[str, str]:
        """The trailing fields, names in lower case. Raises ChunksMalformed, ChunkUnsigned."""
        if not self._last:
            raise ChunksMalformed("a chunk is cut short" if self._left else "a chunk has no head")
        if self._seen != self._length:
            raise ChunksMalformed("the chunks have another length than was announced")
        if not self._trailing:
            return {}
        fields, signed, claimed = _trailer(self._buffer)
        if self._seal is not None:
            _check(self._seal, "TRAILER", self._previous, [_hash(signed)], claimed)
        return fields

    def _take(self, data: bytes) -> None:
        self._left -= len(data)
        self._seen += len(data)
        if self._seen > self._length:
            raise ChunksMalformed("the chunks have another length than was announced")
        if self._seal is not None:
            self._hash.update(data)
            if not self._left:
                self._seal_chunk(self._seal)

    def _seal_chunk(self, seal: Seal) -> None:
        hashes = [_EMPTY, self._hash.hexdigest()]
        self._previous = _check(seal, "PAYLOAD", self._previous, hashes, self._claimed)
        self._hash = hashlib.sha256()

    def _line(self, rest: memoryview) -> memoryview:
        """Take what belongs to a line between chunks; what follows it is left."""
        before = len(self._buffer)
        self._buffer += bytes(rest[: MAX_LINE + 2])
        if not self._ended:
            if len(self._buffer) >= 2 and self._buffer[:2] != b"\r\n":
                raise ChunksMalformed("a chunk has no end")
            self._ended = self._buffer[:2] == b"\r\n"
            end = 0 if self._ended else -1
        else:
            end = self._buffer.find(b"\r\n", 0, MAX_LINE)
            if end < 0 and len(self._buffer) >= MAX_LINE:
                raise ChunksMalformed("a chunk has no head")
            if end >= 0:
                self._head(self._buffer[:end])
        if end < 0:
            return rest[len(self._buffer) - before :]
        self._buffer = b""
        return rest[end + 2 - before :]

    def _head(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        if not 1 <= len(size) <= 8 or size.strip(b"0123456789abcdefABCDEF"):
            raise ChunksMalformed("a chunk has no size")
        count = int(size, 16)
        name, _, claimed = extension.partition(b"=")
        if name and name != b"chunk-signature":
            raise ChunksMalformed("a chunk has an extension that is not known")
        self._claimed = claimed.decode("latin-1")
        self._small += count < SMALL
        if self._small > MAX_SMALL:
            raise ChunksMalformed("there are too many small chunks")
        self._left, self._ended, self._last = count, not count, not count
        if not count and self._seal is not None:
            self._seal_chunk(self._seal)


def _trailer(rest: bytes) -> tuple[dict[str, str], bytes, str]:
    """Trailing fields, what of them is signed, and the signature."""
    if len(rest) > MAX_LINE:
        raise ChunksMalformed("the trailing fields are too long")
    fields: dict[str, str] = {}
    signed = b""
    claimed = ""
    lines = [line for line in rest.split(b"\n") if line.strip(b"\r")]
    if len(lines) > MAX_TRAILERS:
        raise ChunksMalformed("there are too many trailing fields")
    for line in lines:
        name, colon, value = line.rstrip(b"\r").partition(b":")
        if not colon:
            raise ChunksMalformed("a trailing field has no value")
        key = name.strip().lower().decode("latin-1")
        if key == "x-amz-trailer-signature":
            claimed = value.strip().decode("latin-1")
            continue
        fields[key] = value.strip().decode("latin-1")
        signed += b"%b:%b\n" % (name.strip().lower(), value.strip())
    return fields, signed, claimed


def _check(seal: Seal, kind: str, previous: str, hashes: list[str], claimed: str) -> str:
    lines = [f"AWS4-HMAC-SHA256-{kind}", seal.timestamp, seal.scope, previous, *hashes]
    expected = hmac.digest(seal.key, "\n".join(lines).encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), claimed.encode()):
        raise ChunkUnsigned("the signature of a chunk does not match")
    return expected


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

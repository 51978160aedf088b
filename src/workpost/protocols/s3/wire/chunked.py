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


def decode(
    body: bytes, length: int, seal: Seal | None, *, trailing: bool
) -> tuple[bytes, dict[str, str]]:
    """The data of a body and its trailing fields, names in lower case.

    `length` is what the request has announced; `seal` None: chunks are not signed. Raises
    ChunksMalformed, ChunkUnsigned.
    """
    data = bytearray()
    previous = seal.seed if seal is not None else ""
    at = small = 0
    for chunk, claimed, end in _chunks(body):
        small += len(chunk) < SMALL
        if small > MAX_SMALL:
            raise ChunksMalformed("there are too many small chunks")
        if seal is not None:
            previous = _check(seal, "PAYLOAD", previous, [_EMPTY, _hash(chunk)], claimed)
        data += chunk
        at = end
    if len(data) != length:
        raise ChunksMalformed("the chunks have another length than was announced")
    if not trailing:
        return bytes(data), {}
    fields, signed, claimed = _trailer(body[at:])
    if seal is not None:
        _check(seal, "TRAILER", previous, [_hash(signed)], claimed)
    return bytes(data), fields


def _chunks(body: bytes) -> Iterator[tuple[bytes, str, int]]:
    """Data, signature, and where what follows begins; the last one is empty."""
    at = 0
    while True:
        end = body.find(b"\r\n", at, at + MAX_LINE)
        if end < 0:
            raise ChunksMalformed("a chunk has no head")
        size, _, extension = body[at:end].partition(b";")
        if not 1 <= len(size) <= 8 or size.strip(b"0123456789abcdefABCDEF"):
            raise ChunksMalformed("a chunk has no size")
        count = int(size, 16)
        name, _, claimed = extension.partition(b"=")
        if name and name != b"chunk-signature":
            raise ChunksMalformed("a chunk has an extension that is not known")
        start = end + 2
        chunk = body[start : start + count]
        if len(chunk) != count:
            raise ChunksMalformed("a chunk is cut short")
        if not count:
            yield b"", claimed.decode("latin-1"), start
            return
        if body[start + count : start + count + 2] != b"\r\n":
            raise ChunksMalformed("a chunk has no end")
        at = start + count + 2
        yield chunk, claimed.decode("latin-1"), at


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

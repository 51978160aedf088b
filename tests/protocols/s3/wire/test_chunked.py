"""The encoding aws-chunked: what decode takes, and that it raises nothing but its own errors."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.s3.wire import chunked
from workpost.protocols.s3.wire.chunked import (
    ChunksMalformed,
    ChunkUnsigned,
    Decoder,
    Seal,
)

SEAL = Seal(b"k" * 32, "20260101T000000Z", "20260101/us-east-1/s3/aws4_request", "0" * 64)
EMPTY = hashlib.sha256(b"").hexdigest()


def decode(
    body: bytes, length: int, seal: Seal | None, *, trailing: bool, piece: int = 1 << 20
) -> tuple[bytes, dict[str, str]]:
    """What a body is decoded to that comes in pieces of so many bytes."""
    decoder = Decoder(length, seal, trailing=trailing)
    data = b""
    for start in range(0, len(body), piece):
        data += b"".join(decoder.feed(body[start : start + piece]))
    return data, decoder.finish()


def sign(kind: str, previous: str, *hashes: str) -> str:
    lines = [f"AWS4-HMAC-SHA256-{kind}", SEAL.timestamp, SEAL.scope, previous, *hashes]
    return hmac.digest(SEAL.key, "\n".join(lines).encode(), "sha256").hex()


def body_of(*data: bytes, signed: bool, trailer: bytes = b"") -> bytes:
    previous, body = SEAL.seed, b""
    for piece in (*data, b""):
        body += f"{len(piece):x}".encode()
        if signed:
            previous = sign("PAYLOAD", previous, EMPTY, hashlib.sha256(piece).hexdigest())
            body += f";chunk-signature={previous}".encode()
        body += b"\r\n" + (piece + b"\r\n" if piece else b"")
    if trailer and signed:
        hashed = hashlib.sha256(trailer + b"\n").hexdigest()
        mark = sign("TRAILER", previous, hashed)
        return body + trailer + b"\r\nx-amz-trailer-signature:" + mark.encode() + b"\r\n\r\n"
    return body + trailer + b"\r\n\r\n"


@given(
    st.lists(st.binary(min_size=1, max_size=100), max_size=5),
    st.booleans(),
    st.booleans(),
    st.integers(1, 200),
)
def test_what_was_cut_in_chunks_is_put_together(
    pieces: list[bytes], signed: bool, trailing: bool, piece: int
) -> None:
    trailer = b"x-amz-checksum-crc32:AAAAAA==" if trailing else b""
    body = body_of(*pieces, signed=signed, trailer=trailer)
    data = b"".join(pieces)
    decoded, fields = decode(
        body, len(data), SEAL if signed else None, trailing=trailing, piece=piece
    )
    assert decoded == data
    assert fields == ({"x-amz-checksum-crc32": "AAAAAA=="} if trailing else {})


@given(st.binary(max_size=300), st.booleans(), st.booleans(), st.integers(1, 400))
def test_anything_else_is_refused(body: bytes, signed: bool, trailing: bool, piece: int) -> None:
    try:
        decode(body, 7, SEAL if signed else None, trailing=trailing, piece=piece)
    except (ChunksMalformed, ChunkUnsigned):
        return
    assert not signed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5",
        b"\r\n",
        b"g\r\n",
        b"123456789\r\n",
        b"1;else=1\r\na\r\n0\r\n\r\n",
        b"2\r\na",
        b"1\r\nab\r\n0\r\n\r\n",
        b"2\r\nab\r\n0\r\n\r\n",
        b"1\r\na\r\n0\r\n" + b"x" * 5000,
        b"1\r\na\r\n0\r\n" + b"a:b\r\n" * 17,
        b"1\r\na\r\n0\r\nno colon\r\n",
    ],
)
def test_malformed_bodies(body: bytes) -> None:
    with pytest.raises(ChunksMalformed):
        decode(body, 1, None, trailing=True)


def test_signatures_are_chained() -> None:
    body = body_of(b"one", b"two", signed=True)
    decode(body, 6, SEAL, trailing=False)
    first, second = body.split(b"\r\n3;", 1)
    swapped = (
        b"3;" + second[: second.index(b"0;")] + first + b"\r\n" + second[second.index(b"0;") :]
    )
    for forged in (swapped, body.replace(b"two", b"owt")):
        with pytest.raises(ChunkUnsigned):
            decode(forged, 6, SEAL, trailing=False)
    trailed = body_of(b"one", signed=True, trailer=b"a:b")
    with pytest.raises(ChunkUnsigned):
        decode(trailed.replace(b"a:b", b"a:c"), 3, SEAL, trailing=True)


def test_a_body_of_small_chunks_keeps_nobody_busy() -> None:
    pieces = [b"x"] * (chunked.MAX_SMALL - 1)
    body = body_of(*pieces, signed=False)
    assert decode(body, len(pieces), None, trailing=False) == (b"".join(pieces), {})
    with pytest.raises(ChunksMalformed, match="too many small chunks"):
        decode(body_of(b"x", *pieces, signed=False), len(pieces) + 1, None, trailing=False)
    large = [b"x" * chunked.SMALL] * 3
    assert decode(body_of(*pieces, *large, signed=False), 25_575, None, trailing=False)[0]

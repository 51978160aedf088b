"""The sealed form of a content: chunks of AES-256-GCM that are read one without the others.

    version (1 byte) || chunk 0 || chunk 1 || ... || last chunk

A chunk is 64 KiB of plaintext (the last one less; an empty content has one empty chunk) and its
16-byte tag. Its nonce is its number (11 bytes) and a byte that is 1 for the last chunk only; its
additional data is the content's id and length. So chunks cannot be reordered, dropped, appended,
or moved to another content. Counting nonces are safe because every content has a key of its own,
which seals these bytes only (and, under random nonces, summaries).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workpost.kernel.errors import Fault

VERSION = 1
CHUNK = 65536
TAG = 16
SEALED_CHUNK = CHUNK + TAG
NONCE_NUMBER = 11


def chunk_count(size: int) -> int:
    """How many chunks a content of `size` bytes has; at least one."""
    return max(1, -(-size // CHUNK))


def sealed_size(size: int) -> int:
    """Length of the sealed form of `size` bytes."""
    return 1 + size + TAG * chunk_count(size)


def seal_chunks(key: bytes, content_id: bytes, raw: bytes | memoryview) -> bytes:
    """Seal a whole content under its own key. Time: 0.15 ms a megabyte."""
    size = len(raw)
    ad = _additional(content_id, size)
    cipher = AESGCM(key)
    last = chunk_count(size) - 1
    if last == 0:
        return bytes((VERSION,)) + cipher.encrypt(_nonce(0, True), raw, ad)
    sealed = bytearray(sealed_size(size))
    sealed[0] = VERSION
    view, source = memoryview(sealed), memoryview(raw)
    for number in range(last + 1):
        piece = source[number * CHUNK : (number + 1) * CHUNK]
        start = 1 + number * SEALED_CHUNK
        target = view[start : start + len(piece) + TAG]
        cipher.encrypt_into(_nonce(number, number == last), piece, ad, target)
    return bytes(sealed)


def sealed_span(size: int, start: int, end: int) -> tuple[int, int]:
    """The range of the sealed form that holds the plaintext range (0 <= start < end <= size).

    It begins at a chunk's first byte; `open_chunks` is given the number of that chunk.
    """
    first, last = start // CHUNK, (end - 1) // CHUNK
    return 1 + first * SEALED_CHUNK, min(1 + (last + 1) * SEALED_CHUNK, sealed_size(size))


def open_chunks(
    key: bytes, content_id: bytes, size: int, first: int, sealed: bytes | memoryview
) -> bytes:
    """Open whole chunks from number `first` on. Raises Fault when a bit does not fit."""
    ad = _additional(content_id, size)
    cipher = AESGCM(key)
    last = chunk_count(size) - 1
    pieces = []
    source = memoryview(sealed)
    try:
        for position in range(0, len(source), SEALED_CHUNK):
            number = first + position // SEALED_CHUNK
            piece = source[position : position + SEALED_CHUNK]
            pieces.append(cipher.decrypt(_nonce(number, number == last), piece, ad))
    except (InvalidTag, ValueError):
        raise Fault(f"content {content_id.hex()} does not open") from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def open_all(key: bytes, content_id: bytes, size: int, sealed: bytes) -> bytes:
    """Open a whole content. Raises Fault when a bit of it, its length or its key does not fit."""
    if len(sealed) != sealed_size(size) or sealed[0] != VERSION:
        raise Fault(f"content {content_id.hex()} has {len(sealed)} bytes or an unknown version")
    return open_chunks(key, content_id, size, 0, memoryview(sealed)[1:])


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(NONCE_NUMBER, "big") + (b"\x01" if last else b"\x00")


def _additional(content_id: bytes, size: int) -> bytes:
    return b"content\0" + content_id + size.to_bytes(8, "big")

"""Checksums of objects as S3 has them: CRC32, CRC32C, CRC64NVME, SHA1 and SHA256, in base64.

Source: "Checking object integrity in Amazon S3" of the S3 user guide.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}
"""Bytes of each algorithm's checksums."""
FULL, COMPOSITE = "FULL_OBJECT", "COMPOSITE"
_CRCS = {"CRC32": "CRC32", "CRC32C": "CRC32C", "CRC64NVME": "CRC64-NVME"}
"""Those whose checksums of parts tell the one of the whole, and what the library calls them."""


class Sum(NamedTuple):
    """A checksum: the algorithm, and the value as S3 writes it."""

    algorithm: str
    value: str
    """Base64; of an object of parts it may be made of the parts' checksums: then `-` and their
    number follow."""

    @property
    def kind(self) -> str:
        """What S3 calls the type."""
        return COMPOSITE if "-" in self.value else FULL

    def digest(self) -> bytes:
        """The bytes of a checksum that is of all data. Raises ValueError."""
        return base64.b64decode(self.value, validate=True)


def sum_of(algorithm: str, digest: bytes) -> Sum:
    """The checksum with these bytes."""
    return Sum(algorithm, base64.b64encode(digest).decode())


class Hasher(Protocol):
    """What a checksum is made with, piece by piece."""

    def update(self, data: bytes, /) -> None:
        """Add data."""
        ...

    def digest(self) -> bytes:
        """Of all that was added."""
        ...


class _Crc:
    """CRCs of the library, which is loaded with the first one."""

    def __init__(self, algorithm: str) -> None:
        self._model = _model(algorithm)
        self._size = SIZES[algorithm]
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._model.calc(data, self._value)

    def digest(self) -> bytes:
        return int(self._value).to_bytes(self._size, "big")


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def hasher(algorithm: str) -> Hasher:
    """A hasher for one of `SIZES`, or for MD5."""
    if algorithm == "CRC32":
        return _Crc32()
    if algorithm in _CRCS:
        return _Crc(algorithm)
    return hashlib.new(algorithm.lower(), usedforsecurity=False)


def default_kind(algorithm: str) -> str:
    """The type that an upload in parts has when none is named."""
    return FULL if algorithm == "CRC64NVME" else COMPOSITE


def is_kind(algorithm: str, kind: str) -> bool:
    """Whether an upload in parts can have checksums of this type."""
    if kind == FULL:
        return algorithm in _CRCS
    return kind == COMPOSITE and algorithm != "CRC64NVME"


def composite(algorithm: str, digests: Sequence[bytes]) -> Sum:
    """The checksum of checksums of parts."""
    made = hasher(algorithm)
    for each in digests:
        made.update(each)
    whole = sum_of(algorithm, made.digest())
    return Sum(algorithm, f"{whole.value}-{len(digests)}")


def combine(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> Sum:
    """The CRC of all data, from the CRC and the bytes of each part: no data are read."""
    model = _model(algorithm)
    value = 0
    for digest, size in parts:
        value = model.combine(value, int.from_bytes(digest, "big"), size)
    return sum_of(algorithm, int(value).to_bytes(SIZES[algorithm], "big"))


@cache
def _model(algorithm: str) -> Any:
    import anycrc

    return anycrc.Model(_CRCS[algorithm])

"""Checksums of S3: values of the algorithms' catalogue, pieces, and parts put together."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.checksums import COMPOSITE, FULL, Sum, combine, composite, hasher, sum_of

CRCS = ["CRC32", "CRC32C", "CRC64NVME"]
CHECKS = {"CRC32": 0xCBF43926, "CRC32C": 0xE3069283, "CRC64NVME": 0xAE8B14860A799888}


def digest(algorithm: str, *data: bytes) -> bytes:
    made = hasher(algorithm)
    for each in data:
        made.update(each)
    return made.digest()


@pytest.mark.parametrize("algorithm", CRCS)
def test_the_check_of_each_crc(algorithm: str) -> None:
    assert int.from_bytes(digest(algorithm, b"123456789"), "big") == CHECKS[algorithm]


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([*CRCS, "SHA1", "MD5"]))
def test_pieces_make_what_the_whole_makes(one: bytes, other: bytes, algorithm: str) -> None:
    assert digest(algorithm, one, other) == digest(algorithm, one + other)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.sampled_from(CRCS))
def test_crcs_of_parts_make_that_of_the_whole(parts: list[bytes], algorithm: str) -> None:
    told = combine(algorithm, [(digest(algorithm, each), len(each)) for each in parts])
    assert told == sum_of(algorithm, digest(algorithm, b"".join(parts)))
    assert told.kind == FULL


def test_composite_checksums() -> None:
    sums = [hashlib.sha256(each).digest() for each in (b"a", b"b")]
    told = composite("SHA256", sums)
    assert told.value == sum_of("SHA256", hashlib.sha256(b"".join(sums)).digest()).value + "-2"
    assert told.kind == COMPOSITE
    with pytest.raises(ValueError, match="base64|padding|alphabet"):
        told.digest()
    assert Sum("CRC32", sum_of("CRC32", zlib.crc32(b"").to_bytes(4, "big")).value).digest()

"""The sealed form of contents: what was sealed opens, in ranges too; anything else is refused."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel.errors import Fault
from workpost.store.content import chunks

KEY = bytes(range(32))
ID = bytes(range(16))
SIZES = [0, 1, 600, 65535, 65536, 65537, 131072, 131073, 300_000]
BODY = os.urandom(max(SIZES))


@pytest.mark.parametrize("size", SIZES)
def test_a_content_opens_and_has_the_length_that_was_foretold(size):
    sealed = chunks.seal_chunks(KEY, ID, BODY[:size])
    assert len(sealed) == chunks.sealed_size(size)
    assert chunks.open_all(KEY, ID, size, sealed) == BODY[:size]


@given(st.sampled_from(SIZES[1:]), st.data())
def test_a_range_needs_its_own_chunks_only(size, choose):
    start = choose.draw(st.integers(0, size - 1))
    end = choose.draw(st.integers(start + 1, size))
    sealed = chunks.seal_chunks(KEY, ID, BODY[:size])
    low, high = chunks.sealed_span(size, start, end)
    first = start // chunks.CHUNK
    opened = chunks.open_chunks(KEY, ID, size, first, sealed[low:high])
    base = first * chunks.CHUNK
    assert opened[start - base : end - base] == BODY[start:end]
    assert high - low <= (end - start) + 2 * chunks.SEALED_CHUNK


@given(st.sampled_from([0, 5, 65536, 65537]), st.data())
def test_a_flipped_bit_anywhere_is_refused(size, choose):
    sealed = bytearray(chunks.seal_chunks(KEY, ID, BODY[:size]))
    bit = choose.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Fault):
        chunks.open_all(KEY, ID, size, bytes(sealed))


def test_chunks_cannot_be_swapped_dropped_or_appended():
    size = 3 * chunks.CHUNK
    sealed = chunks.seal_chunks(KEY, ID, BODY[:size])
    one, two, three = (
        sealed[1 + n * chunks.SEALED_CHUNK : 1 + (n + 1) * chunks.SEALED_CHUNK] for n in range(3)
    )
    head = sealed[:1]
    for forged in (two + one + three, one + two, one + three, one + two + three + three, b""):
        with pytest.raises(Fault):
            chunks.open_all(KEY, ID, size, head + forged)
        whole, rest = divmod(len(forged), chunks.SEALED_CHUNK)
        shorter = whole * chunks.CHUNK + max(0, rest - chunks.TAG)
        with pytest.raises(Fault):
            chunks.open_all(KEY, ID, shorter, head + forged)


def test_another_key_id_or_length_is_refused():
    sealed = chunks.seal_chunks(KEY, ID, b"hello")
    for key, content_id, size in ((bytes(32), ID, 5), (KEY, bytes(16), 5), (KEY, ID, 4)):
        with pytest.raises(Fault):
            chunks.open_all(key, content_id, size, sealed)


@given(st.binary(max_size=100), st.integers(0, 100))
def test_garbage_is_refused_with_a_fault_only(garbage, size):
    with pytest.raises(Fault):
        chunks.open_all(KEY, ID, size, garbage)


def test_an_unknown_version_is_refused():
    sealed = chunks.seal_chunks(KEY, ID, b"hello")
    with pytest.raises(Fault):
        chunks.open_all(KEY, ID, 5, b"\x02" + sealed[1:])

"""How a personal access token is written, and what is taken for one."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.access.token_text import RANDOM_BYTES, token_digest, write_token

RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
SCANNED = re.compile(r"wppat_[0-9A-Za-z]{39}")


@given(RANDOM)
def test_a_token_is_found_by_its_form_and_known_by_its_sha256(random: bytes) -> None:
    token = write_token(random)
    assert SCANNED.fullmatch(token)
    assert token_digest(token.encode()) == hashlib.sha256(token.encode()).digest()


@given(RANDOM, RANDOM)
def test_different_randomness_makes_different_tokens(one: bytes, two: bytes) -> None:
    assert (write_token(one) == write_token(two)) == (one == two)


@given(RANDOM, st.integers(0, 44), st.integers(0, 255))
def test_another_character_anywhere_makes_it_no_token(random: bytes, at: int, to: int) -> None:
    token = bytearray(write_token(random).encode())
    same = token[at] == to
    token[at] = to
    assert (token_digest(bytes(token)) is not None) == same


@given(st.binary(max_size=60) | st.text(max_size=50).map(str.encode))
def test_anything_is_answered(text: bytes) -> None:
    assert token_digest(text) is None


@pytest.mark.parametrize("around", [b"%s\n", b" %s", b"%s ", b"%s\0", b"x%s"])
def test_nothing_may_stand_around_it(around: bytes) -> None:
    assert token_digest(around % write_token(bytes(24)).encode()) is None


def test_a_token_is_made_of_24_bytes() -> None:
    with pytest.raises(ValueError, match="24"):
        write_token(b"short")

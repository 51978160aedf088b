"""STORE's arithmetic: RFC 3501 6.4.6."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.messages import flags as bits

WORDS = st.lists(st.sampled_from([b"a", b"A", b"b", b"$Forwarded", b"$forwarded"]), max_size=5)
ACTIONS = st.sampled_from(["set", "add", "remove"])


@given(st.integers(0, 31), ACTIONS, st.integers(0, 31))
def test_bits_follow_set_algebra(before: int, action: bits.Action, given_bits: int) -> None:
    after = bits.change_bits(before, action, given_bits)
    expected = {
        "set": given_bits,
        "add": before | given_bits,
        "remove": before & ~given_bits,
    }[action]
    assert after == expected


@given(WORDS, ACTIONS, WORDS)
def test_keywords_follow_set_algebra_without_case(
    before: list[bytes], action: bits.Action, words: list[bytes]
) -> None:
    have = list({word.lower(): word for word in before}.values())
    insert, delete = bits.change_keywords(have, action, words)
    after = {word.lower() for word in have if word not in delete} | {w.lower() for w in insert}
    old, new = {w.lower() for w in have}, {w.lower() for w in words}
    assert after == {"set": new, "add": old | new, "remove": old - new}[action]
    assert len(insert) == len({word.lower() for word in insert})


def test_the_internal_bit_cannot_be_set_from_outside() -> None:
    assert bits.change_bits(0, "set", bits.KEYWORDS | bits.SEEN) == bits.SEEN

"""Sealed values open only at their own place, under their own key, with every bit in order."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel.errors import Fault
from workpost.store.keys import sealing

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
PLACE = sealing.place("folder", "sealed", "m-1", 7, 9)
text = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)


@given(st.binary(max_size=5000))
def test_what_was_sealed_opens_again(data):
    sealed = sealing.seal(KEY, data, PLACE)
    assert len(sealed) == len(data) + sealing.OVERHEAD
    assert sealing.unseal(KEY, sealed, PLACE) == data


@given(st.binary(max_size=200), st.data())
def test_a_flipped_bit_anywhere_is_refused(data, choose):
    sealed = bytearray(sealing.seal(KEY, data, PLACE))
    bit = choose.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Fault):
        sealing.unseal(KEY, bytes(sealed), PLACE)


@given(st.binary(max_size=100))
def test_anything_else_is_refused_with_a_fault_only(garbage):
    with pytest.raises(Fault):
        sealing.unseal(KEY, garbage, PLACE)


def test_another_key_is_refused():
    with pytest.raises(Fault):
        sealing.unseal(OTHER, sealing.seal(KEY, b"x", PLACE), PLACE)


@given(st.tuples(text, text, text, text, text), st.tuples(text, text, text, text, text))
def test_two_places_are_the_same_only_when_all_parts_are(one, two):
    assert (sealing.place(*one) == sealing.place(*two)) == (one == two)


@given(st.tuples(text, text, text, text, text), st.tuples(text, text, text, text, text))
def test_another_place_is_refused(one, two):
    sealed = sealing.seal(KEY, b"subject", sealing.place(*one))
    if one != two:
        with pytest.raises(Fault):
            sealing.unseal(KEY, sealed, sealing.place(*two))


def test_a_part_with_a_nul_cannot_pose_as_two():
    with pytest.raises(Fault):
        sealing.place("folder", "sealed", "m-1\x007", "", 9)


def test_the_same_value_never_looks_the_same_twice():
    assert sealing.seal(KEY, b"x", PLACE) != sealing.seal(KEY, b"x", PLACE)


def test_an_unknown_version_is_refused():
    sealed = sealing.seal(KEY, b"x", PLACE)
    with pytest.raises(Fault, match="version"):
        sealing.unseal(KEY, b"\x02" + sealed[1:], PLACE)


# --- summaries -----------------------------------------------------------------------------------


def row(item: int, gen: int = 1, key: bytes = KEY) -> tuple[int, int, bytes, bytes]:
    content_key = os.urandom(32)
    sealed, wrapped = sealing.seal_summary(
        AESGCM(key), content_key, b"summary %d" % item, organization="m-1", mailbox=7, item=item
    )
    return item, gen, wrapped, sealed


def test_summaries_open_in_order_over_generations():
    rows = [row(1), row(2, gen=2, key=OTHER), row(3)]
    opened = sealing.open_summaries({1: KEY, 2: OTHER}, "m-1", 7, rows)
    assert opened == [b"summary 1", b"summary 2", b"summary 3"]


def test_a_summary_is_what_seal_and_place_make_of_it():
    item, _, wrapped, sealed = row(5)
    wrap_ad = sealing.place("summary", "wrapped_content_key", "m-1", 7, item)
    content_key = sealing.unseal(KEY, wrapped, wrap_ad)
    ad = sealing.place("summary", "sealed", "m-1", 7, item)
    assert sealing.unseal(content_key, sealed, ad) == b"summary 5"
    assert sealing.unwrap_content_keys({1: KEY}, "m-1", 7, [(5, 1, wrapped)]) == [content_key]


@pytest.mark.parametrize(("organization", "mailbox", "item"), [("m-2", 7, 5), ("m-1", 8, 5)])
def test_a_summary_of_someone_else_is_refused(organization, mailbox, item):
    with pytest.raises(Fault):
        sealing.open_summaries({1: KEY}, organization, mailbox, [row(item)])


def test_a_summary_moved_to_another_item_is_refused():
    _, gen, wrapped, sealed = row(5)
    with pytest.raises(Fault, match="7/6"):
        sealing.open_summaries({1: KEY}, "m-1", 7, [(6, gen, wrapped, sealed)])


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_damaged_summaries_are_refused_with_a_fault_only(wrapped, sealed):
    with pytest.raises(Fault):
        sealing.open_summaries({1: KEY}, "m-1", 7, [(1, 1, wrapped, sealed)])


# --- tags ----------------------------------------------------------------------------------------


def test_tags_tell_equality_and_nothing_else():
    one = sealing.tag(KEY, "folder", "Projects")
    assert one == sealing.tag(KEY, "folder", b"Projects")
    assert len(one) == sealing.TAG
    assert one != sealing.tag(KEY, "message-id", "Projects")
    assert one != sealing.tag(OTHER, "folder", "Projects")
    assert one != sealing.tag(KEY, "folder", "projects")

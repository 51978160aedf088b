"""Canonicalization, as RFC 6376 3.4 has it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.signers import BODIES
from workpost.formats.mailauth.canonical import (
    LARGEST_HEADER,
    RELAXED,
    SIMPLE,
    Fields,
    relax_body,
    relax_field,
    simple_body,
)

OCTETS = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"\t", b"a", b":", b"\xff"]), max_size=40
).map(b"".join)


def test_the_example_of_rfc_6376_3_4_5() -> None:
    message = b"A: X \r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"
    fields = Fields(message)
    assert [fields.field(n, RELAXED) for n in range(2)] == [b"a:X", b"b:Y Z"]
    assert [fields.field(n, SIMPLE) for n in range(2)] == [b"A: X ", b"B : Y\t\r\n\tZ  "]
    assert fields.body(RELAXED) == b" C\r\nD E\r\n"
    assert fields.body(SIMPLE) == b" C \r\nD \t E\r\n"


def test_an_empty_body_is_a_line_in_simple_form_and_nothing_in_relaxed_form() -> None:
    for body in (b"", b"\r\n", b"\r\n" * 2000):
        assert simple_body(body) == b"\r\n"
        assert relax_body(body) == b""
    assert simple_body(b" \r\n") == b" \r\n"
    assert relax_body(b" \r\n\t\r\n ") == b""


def test_a_last_line_without_an_end_loses_its_space_too() -> None:
    assert relax_body(b"x \t") == b"x\r\n"
    assert simple_body(b"x \t") == b"x \t\r\n"


def test_space_before_the_colon_is_not_part_of_the_name() -> None:
    fields = Fields(b"Subject \t: x\r\n\r\n")
    assert fields.choose([b"subject"], RELAXED) == b"subject:x\r\n"


def test_line_ends_of_other_kinds_are_characters() -> None:
    assert relax_body(b"a \n\r \r") == b"a \n\r \r\r\n"
    assert relax_field(b"A: b \n c") == b"a:b \n c"
    assert Fields(b"A: 1\nB: 2\r\n\r\nx").places(b"b") == []


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\r\nbody", b"A: 1", b"A: 1\r\n", b"no colon\r\n"])
def test_messages_without_header_or_body(raw: bytes) -> None:
    fields = Fields(raw)
    assert fields.places(b"a") == ([0] if raw.startswith(b"A") else [])
    assert fields.body(RELAXED) == (b"body\r\n" if raw.endswith(b"body") else b"")


def test_fields_are_chosen_from_the_bottom_each_once() -> None:
    fields = Fields(b"A: 1\r\nB: x\r\nA: 2\r\n\r\n")
    assert fields.choose([b"a", b"b", b"a", b"a", b"c"], RELAXED) == b"a:2\r\nb:x\r\na:1\r\n"
    assert fields.choose([], RELAXED) == b""


def test_a_header_beyond_the_limit_is_left_alone() -> None:
    exact = b"A: " + b"x" * (LARGEST_HEADER - 3)
    assert not Fields(exact + b"\r\n\r\nbody").too_large
    for raw in (exact + b"x\r\n\r\nbody", exact + b"x", exact * 3):
        assert Fields(raw).too_large
        assert Fields(raw).fields == []


def _slow_relaxed(body: bytes) -> bytes:
    """RFC 6376 3.4.4, word for word."""
    lines = body.split(b"\r\n")
    reduced = [re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+\Z", b"", line)) for line in lines]
    while reduced and not reduced[-1]:
        reduced.pop()
    return b"".join(line + b"\r\n" for line in reduced)


def _slow_simple(body: bytes) -> bytes:
    lines = body.split(b"\r\n")
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines) or b"\r\n"


@given(st.one_of(BODIES, OCTETS))
def test_bodies_are_what_the_words_of_the_rfc_make_of_them(body: bytes) -> None:
    assert relax_body(body) == _slow_relaxed(body)
    assert simple_body(body) == _slow_simple(body)
    assert relax_body(relax_body(body)) == relax_body(body)


@given(OCTETS)
def test_every_octet_is_in_one_field_or_the_body(raw: bytes) -> None:
    fields = Fields(raw)
    head, _, body = (
        raw.partition(b"\r\n\r\n") if not raw.startswith(b"\r\n") else (b"", b"", raw[2:])
    )
    assert b"\r\n".join(fields.fields) == head.removesuffix(b"\r\n")
    assert fields.body(SIMPLE) == _slow_simple(body)
    for number in range(len(fields.fields)):
        assert relax_field(fields.field(number, RELAXED)) == fields.field(number, RELAXED)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n" * 2_000_000,
        b"\r\n\r\n" + b"\r\n" * 1_000_000 + b"\r",
        b"\r\n\r\n" + b" \t" * 2_000_000,
        b"\r\n\r\n" + b" \t\r\n" * 1_000_000,
        b"A: " + b"\r\n " * 300_000 + b"\r\n\r\n",
        b"A:\r\n" * 200_000 + b"\r\n",
    ],
    ids=["lines", "a CR at the end", "space", "lines of space", "one folded field", "fields"],
)
def test_hostile_messages_take_a_time_in_line_with_their_size(raw: bytes) -> None:
    began = time.process_time()
    fields = Fields(raw)
    fields.choose([b"a"] * 500, RELAXED)
    for form in (SIMPLE, RELAXED):
        fields.body_hash(form)
    assert time.process_time() - began < 2

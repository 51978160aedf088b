"""Request bodies: what JSON is taken, and what is a SerializationException."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.api.wire.body import MAX_DEPTH, MalformedBody, parse_body


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"", {}),
        (b" {} ", {}),
        (b'{"a":1,"a":2}', {"a": 2}),
        ('{"a":"\\ud83d\\ude00é"}'.encode(), {"a": "😀é"}),
        (b"[1]", [1]),
    ],
)
def test_taken(body: bytes, document: Any) -> None:
    assert parse_body(body) == document


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x"}',
        b"{} x",
        b"{",
        b"NaN",
        b'{"a":Infinity}',
        b"{'a':1}",
        b"\x00",
        b" ",
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse_body(body)


def test_depth_is_capped() -> None:
    assert parse_body(b'{"a":' * (MAX_DEPTH - 1) + b"[]" + b"}" * (MAX_DEPTH - 1))
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        for depth in (MAX_DEPTH, 100_000):
            with pytest.raises(MalformedBody):
                parse_body(opening * depth + b"[]" + closing * depth)


def test_many_brackets_are_not_depth() -> None:
    wide = {"a": [[]] * 500, "b": "[" * 500}
    assert parse_body(json.dumps(wide).encode()) == wide


@given(st.binary(max_size=200))
def test_raises_only_its_own_error(body: bytes) -> None:
    try:
        parse_body(body)
    except MalformedBody:
        pass

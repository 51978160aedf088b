"""Canonical requests: paths and queries that the public vectors leave open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.signing.canonical import (
    canonical_path,
    canonical_query,
    canonical_request,
)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        (b"/", b"/"),
        (b"", b"/"),
        (b"/..", b"/"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/a/b/..", b"/a/"),
        (b"/a//b/", b"/a/b/"),
        (b"/messages/a%2Fb", b"/messages/a%252Fb"),
        (b"/~-_.", b"/~-_."),
    ],
)
def test_paths_are_normalized_and_encoded_again(path: bytes, canonical: bytes) -> None:
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (b"", b""),
        (b"b&a=2&a=1", b"a=1&a=2&b="),
        (b"a=%2f%7e", b"a=%2F~"),
        (b"a=b+c", b"a=b%20c"),
        (b"a==&&b", b"a=%3D&b="),
        (b"a=%zz", b"a=%25zz"),
    ],
)
def test_queries_are_encoded_and_sorted(query: bytes, canonical: bytes) -> None:
    assert canonical_query(query) == canonical


def test_a_presigned_query_is_without_its_signature() -> None:
    query = b"X-Amz-Signature=abc&X-Amz-Date=d"
    assert canonical_query(query, presigned=True) == b"X-Amz-Date=d"
    assert b"Signature" in canonical_query(query)


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=50))
def test_any_bytes_have_a_canonical_form(path: bytes, query: bytes, value: bytes) -> None:
    headers = {b"host": [value, value]}
    canonical_request(b"GET", path, query, headers, signed=(b"host",), payload_hash=b"0")
    once = canonical_query(query)
    assert canonical_query(once) == once

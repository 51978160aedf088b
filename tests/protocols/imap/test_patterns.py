"""RFC 3501 section 6.3.8: names with wildcards."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.imap.patterns import MAX_PATTERN, match, matches, reaches


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("a/b", "*", True),
        ("a/b", "%", False),
        ("a/b", "%/%", True),
        ("a/b", "a*", True),
        ("a/b", "a%", False),
        ("a", "a%", True),
        ("a", "a*%", True),
        ("", "%", True),
        ("ab", "b", False),
    ],
)
def test_wildcards(name, pattern, fits):
    assert match(name, pattern) is fits
    assert matches(name, ["nothing", pattern]) is fits


def test_hostile_patterns_take_bounded_time():
    start = time.process_time()
    for pattern in ("*a" * 400 + "b", "*" * MAX_PATTERN + "b", "%*" * 499 + "b"):
        assert not match("a" * 200, pattern)
    assert not match("a", "%" * (MAX_PATTERN + 1))
    assert time.process_time() - start < 1


@given(st.text("ab/", max_size=8), st.text("ab/%*", max_size=8))
def test_matching_is_that_of_a_regular_expression(name, pattern):
    parts = {"*": ".*", "%": "[^/]*"}
    expression = "".join(parts.get(c, re.escape(c)) for c in pattern)
    assert match(name, pattern) is bool(re.fullmatch(expression, name))


def test_whether_patterns_may_match_below_a_name() -> None:
    for pattern in ("*", "Other*", "Other Users/%", "%/x/*", "Other Users/ada/INBOX"):
        assert reaches("Other Users/", [pattern]), pattern
    for pattern in ("%", "INBOX", "O%", "Others/*", "a" * 2_000):
        assert not reaches("Other Users/", [pattern]), pattern
    assert reaches("Other Users", ["%"])

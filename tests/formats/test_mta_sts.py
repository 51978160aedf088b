"""MTA-STS (RFC 8461): records and policies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mta_sts import Policy, PolicyError, covers, parse_policy, parse_record

GOOD = (
    b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: *.example.net\r\n"
    b"max_age: 604800\r\n"
)


@pytest.mark.parametrize(
    ("texts", "id"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=spf1 -all", "v=STSv1; x=y; id=a1"], "a1"),
        ([], None),
        (["v=STSv1; id=1", "v=STSv1; id=2"], None),
        (["v=STSv1; id="], None),
        (["v=STSv1; id=a-b"], None),
        (["v=STSv1"], None),
        (["v=STSv10; id=1"], None),
    ],
)
def test_records(texts: list[str], id: str | None) -> None:
    assert parse_record(texts) == id


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_policy(end: bytes) -> None:
    policy = parse_policy(GOOD.replace(b"\r\n", end))
    assert policy == Policy("enforce", ("mail.example.test", "*.example.net"), 604800)
    assert policy.covers("MAIL.example.test.")
    assert policy.covers("mx1.example.net")
    assert not policy.covers("a.mx1.example.net")
    assert not policy.covers("example.net")
    assert parse_policy("\r\n".join(policy.lines).encode()) == policy


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        GOOD.replace(b"STSv1", b"STSv2"),
        GOOD.replace(b"enforce", b"enforced"),
        GOOD.replace(b"mx: mail.example.test\r\nmx: *.example.net\r\n", b""),
        GOOD.replace(b"604800", b"-1"),
        GOOD.replace(b"604800", b"99999999"),
        GOOD.replace(b"*.example.net", b"*.*.example.net"),
        GOOD.replace(b"mx: mail", b"mx mail"),
        GOOD + b"x: " + b"y" * 70_000,
    ],
)
def test_no_policy(data: bytes) -> None:
    with pytest.raises(PolicyError):
        parse_policy(data)


def test_mode_none_needs_no_mx() -> None:
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 1\n").mode == "none"


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_nothing_but_its_own_error_is_raised(data: bytes) -> None:
    parse_record([data.decode("latin-1")])
    try:
        policy = parse_policy(data)
    except PolicyError:
        return
    assert policy.mx or policy.mode == "none"


@given(st.text(alphabet="ab.*", max_size=8), st.text(alphabet="ab.", max_size=8))
def test_a_wildcard_covers_exactly_one_label(pattern: str, host: str) -> None:
    if covers(pattern, host) and pattern.startswith("*."):
        assert host.rstrip(".").count(".") == pattern.rstrip(".").count(".")

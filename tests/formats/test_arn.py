"""Amazon Resource Names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.formats.arn import (
    Arn,
    ArnError,
    match_arn,
    match_wildcards,
    organization_arn,
    parse_arn,
    partition_of,
)

ORGANIZATION = "arn:aws:workmail:us-east-1:111122223333:organization/m-0123456789abcdef"


def test_parse_and_format():
    arn = parse_arn(ORGANIZATION)
    assert arn == Arn(
        "aws", "workmail", "us-east-1", "111122223333", "organization/m-0123456789abcdef"
    )
    assert str(arn) == ORGANIZATION
    assert (arn.resource_type, arn.resource_id) == ("organization", "m-0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "kind", "identity"),
    [
        ("arn:aws:lambda:eu-west-1:111122223333:function:name:1", "function", "name:1"),
        ("arn:aws:iam::111122223333:root", "", "root"),
        ("arn:aws:s3:::bucket/key", "bucket", "key"),
        ("arn:aws-us-gov:logs:us-gov-west-1:111122223333:log-group:/a/b:*", "log-group", "/a/b:*"),
        ("arn:aws:iam::aws:policy/ReadOnly", "policy", "ReadOnly"),
    ],
)
def test_shapes_of_other_services(text, kind, identity):
    arn = parse_arn(text)
    assert (str(arn), arn.resource_type, arn.resource_id) == (text, kind, identity)


@pytest.mark.parametrize(
    "text",
    [
        "", "arn", "arn:aws:s3:::", "arn:aws:s3::x", "urn:aws:s3:::x", "arn::s3:::x",
        "arn:aws::::x",
        "arn:aws:s3:US:x:y", "arn:aws:s3::123:y", "arn:aws:s3:::x\n", "arn:aws:s3:::x y\x00",
        "arn:gcp:s3:::x", "arn:aws:s3:::" + "x" * 2048, "arn:aws:s3:::ü",
    ],
)  # fmt: skip
def test_what_is_no_arn(text):
    with pytest.raises(ArnError):
        parse_arn(text)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        (ORGANIZATION, True),
        ("arn:aws:workmail:*:*:organization/*", True),
        ("arn:aws:workmail:us-*-1:111122223333:organization/m-0?23*ef", True),
        ("arn:*:*:*:*:*", True),
        ("arn:aws:workmail:*:*:organization", False),
        ("arn:aws:*", False),
        ("arn:aws:workmail:us-east-1:*:ORGANIZATION/*", False),
        ("arn:aws:workmail:us-east-1:11112222333?:user/*", False),
        ("*:organization/*", False),
    ],
)
def test_patterns_of_policies(pattern, matches):
    assert match_arn(pattern, ORGANIZATION) is matches
    assert match_arn(pattern, parse_arn(ORGANIZATION)) is matches


def test_stars_in_the_resource_cross_slashes_and_colons():
    assert match_arn("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b:c")


def reference(pattern: str, value: str) -> bool:
    rows = [True] + [False] * len(value)
    for p in pattern:
        if p == "*":
            for i in range(1, len(rows)):
                rows[i] = rows[i] or rows[i - 1]
        else:
            rows = [False] + [
                rows[i] and p in ("?", value[i]) for i in range(len(value))
            ]  # fmt: skip
    return rows[-1]


@given(st.text("ab*?", max_size=10), st.text("ab\n", max_size=10))
@settings(max_examples=200)
def test_wildcards_agree_with_the_definition(pattern, value):
    assert match_wildcards(pattern, value) is reference(pattern, value)


def test_wildcards_do_not_explode():
    started = time.process_time()
    assert not match_wildcards("a*" * 100 + "b", "a" * 2000)
    assert time.process_time() - started < 0.5


@given(st.text(max_size=60))
def test_parsing_raises_only_its_own_error(text):
    try:
        assert str(parse_arn("arn:aws:" + text)) == "arn:aws:" + text
    except ArnError:
        pass


def test_arn_of_an_organization_and_partitions():
    assert organization_arn("eu-west-1", "111122223333", "m-1") == (
        "arn:aws:workmail:eu-west-1:111122223333:organization/m-1"
    )
    assert [partition_of(r) for r in ("cn-north-1", "us-gov-west-1", "home")] == [
        "aws-cn",
        "aws-us-gov",
        "aws",
    ]

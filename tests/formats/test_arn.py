"""Amazon Resource Names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.arn import (
    Arn,
    ArnError,
    organization_arn,
    parse_arn,
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


@given(st.text(max_size=60))
def test_parsing_raises_only_its_own_error(text):
    try:
        assert str(parse_arn("arn:aws:" + text)) == "arn:aws:" + text
    except ArnError:
        pass


def test_arn_of_an_organization():
    for region in ("eu-west-1", "cn-north-1", "home"):
        assert organization_arn(region, "111122223333", "m-1") == (
            f"arn:aws:workmail:{region}:111122223333:organization/m-1"
        )

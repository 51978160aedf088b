"""Documents that are sent to the S3 door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.s3.depot import Chosen
from workpost.protocols.s3.documents import Malformed, read_deleted, read_parts

SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def test_parts_with_and_without_the_namespace() -> None:
    part = "<Part><PartNumber> 2 </PartNumber><ETag>&quot;a&quot;</ETag><Other/></Part>"
    for space in ("", f" {SPACE}"):
        root = "CompleteMultipartUpload"
        body = f"<{root}{space}>{part}<Else/></{root}>".encode()
        assert read_parts(body) == [Chosen(2, "a")]


@pytest.mark.parametrize(
    "parts",
    [
        "",
        "<Part/>",
        "<Part><PartNumber>1</PartNumber></Part>",
        "<Part><PartNumber>-1</PartNumber><ETag>a</ETag></Part>",
        "<Part><PartNumber>²</PartNumber><ETag>a</ETag></Part>",
        "<Part><PartNumber>123456</PartNumber><ETag>a</ETag></Part>",
        "<Part>",
    ],
)
def test_parts_that_are_none(parts: str) -> None:
    with pytest.raises(Malformed):
        read_parts(f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())


def test_names_to_be_deleted_keep_their_blanks() -> None:
    objects = "<Object><Key> a </Key></Object><Object><Key>b</Key><VersionId>1</VersionId></Object>"
    body = f"<Delete {SPACE}>{objects}<Quiet>true</Quiet></Delete>".encode()
    assert read_deleted(body) == ([(" a ", False), ("b", True)], True)


@pytest.mark.parametrize("objects", ["", "<Object/>", "<Object><Key>a</Key></Object>" * 1001])
def test_what_is_not_deleted(objects: str) -> None:
    with pytest.raises(Malformed):
        read_deleted(f"<Delete>{objects}</Delete>".encode())
    with pytest.raises(Malformed, match="no Delete"):
        read_deleted(b"<Other/>")


@given(st.binary(max_size=200))
def test_anything_is_read_or_malformed(body: bytes) -> None:
    for read in (read_parts, read_deleted):
        with pytest.raises(Malformed):
            read(body)

"""What is read on the event loop: one part of text under a short header, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mime.summary import summarize
from workpost.formats.mime.weighing import MOST_LINKS, SHORT, is_readable, text_type

FIELDS = st.sampled_from(
    [
        b"Content-Type: text/plain; charset=utf-8",
        b"content-type:text/HTML",
        b"CONTENT-TYPE: text/plain",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type:\r\n multipart/mixed; boundary=b",
        b"Content-Type: text/plain\r\n\tmultipart/mixed; boundary=b",
        b"Content-Type : message/rfc822",
        b"Content-Type: text/(plain)html; a=b",
        b"Content-Type: message/rfc822",
        b"Content-Type:",
        b"DKIM-Signature: h=from:content-type:content-type; d=a.example",
        b"Subject: Content-Type: multipart/mixed; boundary=b",
        b"\nContent-Type: multipart/mixed; boundary=b",
        b"From: a@b.example",
    ]
)
BODY = b"--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\n"


@given(st.lists(FIELDS, max_size=4))
def test_whatever_is_told_to_be_one_text_is_one_part_of_that_type(fields: list[bytes]) -> None:
    raw = b"\r\n".join([*fields, b"", BODY])
    told = text_type(raw)
    if told:
        (part,) = summarize(raw).parts
        assert part.media_type == told.decode()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"From: a@b.example", b"text/plain"),
        (b"Content-Type: Text/HTML; charset=x", b"text/html"),
        (b"Content-Type: multipart/mixed; boundary=b", b""),
        (b"Content-Type: image/png", b""),
        (b"X: " + b"x" * SHORT, b""),
    ],
)
def test_the_type_of_one_text(header: bytes, told: bytes) -> None:
    assert text_type(header + b"\r\n\r\nHello\r\n") == told


@pytest.mark.parametrize(
    ("raw", "readable"),
    [
        (b"From: a@b.example\r\n\r\nHello\r\n", True),
        (b"From: a@b.example\r\n\r\nH\xc3\xa4llo\r\n", False),
        (b"Content-Transfer-Encoding: Base64\r\n\r\nSGVsbG8=\r\n", False),
        (b"Content-Transfer-Encoding: QUOTED-printable\r\n\r\nHello=\r\n", False),
        (b"From: a@b.example\r\n\r\n" + b"https://a.example\r\n" * MOST_LINKS, True),
        (b"From: a@b.example\r\n\r\n" + b"https://a.example\r\n" * (MOST_LINKS + 1), False),
    ],
)
def test_a_text_is_readable_as_it_stands_or_for_a_thread(raw: bytes, readable: bool) -> None:
    assert is_readable(raw) is readable

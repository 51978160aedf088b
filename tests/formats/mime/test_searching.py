"""The text that SEARCH looks into, RFC 3501 6.4.4."""

from __future__ import annotations

import pytest

from workpost.formats.mime import body_text, header_text, header_values, search_text, summarize
from workpost.formats.mime.transfer import html_to_text

RAW = (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an\r\n alle\r\nX-Tag: one\r\nx-tag : two\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nsch=F6n=\r\ner\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>rot &amp; <b>bl</b>au</p><script>no()</script>\r\n"
    b"--b\r\nContent-Type: application/pdf\r\n\r\nbinary\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inn=C3=A9r?=\r\n\r\ndeep\r\n"
    b"--b--\r\n"
)


def test_header_values_of_every_field_of_that_name():
    header = RAW[: summarize(RAW).header_end]
    assert header_values(header, "X-Tag") == ["one", "two"]
    assert header_values(header, b"subject") == ["Grüße an alle"]
    assert header_values(header, "absent") == []


def test_body_text_is_decoded_text_and_headers_of_embedded_messages():
    text = body_text(RAW, summarize(RAW).parts)
    for found in ("schöner", "rot & blau", "Subject: innér", "deep"):
        assert found in text
    for absent in ("binary", "preamble", "no()", "Grüße"):
        assert absent not in text


def test_search_text_is_header_and_body():
    text = search_text(RAW, summarize(RAW))
    assert "Subject: Grüße an alle" in text
    assert "schöner" in text


def test_header_text_is_one_field_a_line():
    assert header_text(b"A: x\r\n y\r\nB: z\r\n\r\n") == "A: x y\nB: z"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a<br>b", "a b"),
        ("a<b>b</b>c", "abc"),
        ("<td>a</td><td>b</td>", "a b"),
        ("<HEAD><title>x</title></HEAD>y", "y"),
        ("<style>p{}</STYLE >y", "y"),
        ("<!-- <p> -->y", "y"),
        ("<!doctype html>y<?xml ?>z", "yz"),
        ("1 < 2 <= 3", "1 < 2 <= 3"),
        ("a<img alt='x'", "a"),
        ("a<!-- b", "a"),
        ("a<script>b", "a"),
        ("&uuml;&#228;&nbsp;&bogus;", "üä &bogus;"),
        ("</style>a", "a"),
        ("", ""),
    ],
)
def test_html_is_reduced_to_what_a_reader_sees(source, text):
    assert html_to_text(source) == text


def test_html_with_a_limit_stops_early():
    assert len(html_to_text("<p>word</p>" * 1000, 40)) < 60

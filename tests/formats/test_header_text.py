"""Dates, charsets and encoded words."""

from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.formats.charsets import decode
from workpost.formats.dates import format_date, parse_date
from workpost.formats.encoded_words import decode_base64, decode_words


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        ("Thu, 01 Jan 1970 00:00:00 +0000", 0),
        ("Fri, 21 Nov 1997 09:55:06 -0600", 880127706),
        ("21 Nov 97 09:55:06 GMT", 880106106),
        ("21 Nov 1997 09:55 EST", 880124100),
        ("Fri, 21 Nov 1997 09:55:06 -0600 (CST)", 880127706),
        ("Friday, 21-Nov-97 09:55:06 GMT", 880106106),
        ("Fri,21 Nov 1997 09:55:06.123 Z", 880106106),
        ("  21 November 1997 09:55:06", 880106106),
        ("21 Nov 1997 09.55.06 (UT)", 880106106),
        ("1 Jan 100 00:00:00 +0000", 946684800),
        ("1 Jan 1960 00:00:00 +0000", -315619200),
        ("31 Dec 2016 23:59:60 +0000", 1483228800),
    ],
)
def test_rfc_5322_dates(value, epoch):
    assert parse_date(value) == epoch


@pytest.mark.parametrize(
    "value",
    ["", "today", "32 Jan 2020 00:00:00", "1 Foo 2020 00:00:00", "1 Jan 2020", "30 Feb 2020 1:2:3",
     "1 Jan 0000 00:00:00", "1 Jan 2020 25:00:00", "1 Jan 2020 10:60:00", "1 Jan 2020 10:00:61"],
)  # fmt: skip
def test_what_is_no_date(value):
    assert parse_date(value) is None


@given(st.integers(0, 4_000_000_000))
def test_format_and_parse_agree_with_the_standard_library(epoch):
    text = format_date(epoch)
    assert parse_date(text) == epoch
    assert text == email.utils.formatdate(epoch, usegmt=False).replace("-0000", "+0000")


@given(
    st.sampled_from(["Mon, 23 Nov 2026", "29 Feb 2023", "1 Jan 70", "Nov 3", "", "1 Jan 1970"]),
    st.tuples(*[st.integers(0, 70)] * 3),
    st.sampled_from(["+0000", "-0530", "+9999", "+00 0", "EST", "+1", "-\u0660123", "+00:00", ""]),
)
def test_the_usual_spelling_is_read_as_any_other(day, clock, zone):
    time = ":".join(f"{number:02}" for number in clock)
    assert parse_date(f"{day} {time} {zone}") == parse_date(f"{day} {time}  {zone}")


@given(st.text("0123456789 :+-,.()JanFebMonGMT", max_size=60))
@settings(max_examples=200)
def test_no_date_raises(value):
    parse_date(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?iso-8859-1?q?a=E4_b?=", "aä b"),
        (b"=?UTF-8?B?w6Q=?=", "ä"),
        (b"=?utf-8*de?b?w6Q?=", "ä"),
        (b"a =?utf-8?q?b?= c", "a b c"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\t =?iso-8859-1?q?=E4?=", "aä"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8?q?a?=b", "ab"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?q?a", "=?utf-8?q?a"),
        (b"=?x-none?q?=E4?=", "ä"),
        (b"=?utf-8?q?a=0Ab=00?=", "a b"),
        (b"=?utf-8?q?=E2=80=AEgpj?=", "gpj"),
        (b"=?utf-8?b?!!!?=", ""),
        ("grün".encode(), "grün"),
        ("grün".encode("latin-1"), "grün"),
        (b"", ""),
    ],
)
def test_rfc_2047_encoded_words(value, text):
    assert decode_words(value) == text


@given(st.text(max_size=30).filter(str.isprintable), st.sampled_from(["b", "q"]))
@settings(max_examples=100)
def test_words_that_the_standard_library_encodes_we_read_back(text, kind):
    from email.charset import BASE64, QP, Charset
    from email.header import Header

    charset = Charset("utf-8")
    charset.header_encoding = BASE64 if kind == "b" else QP
    value = "".join(Header(text, charset, maxlinelen=60).encode().split("\n"))
    if value.isascii():
        assert decode_words(value.encode()).split() == text.split()


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"\xe4", "iso-8859-1", "ä"),
        (b"\x80", "ISO-8859-1", "€"),
        (b"\xa4", "iso-8859-15", "€"),
        (b"\xc3\xa4", "us-ascii", "ä"),
        (b"\xe4", "utf-8", "ä"),
        (b"\xe4", "no-such-charset", "ä"),
        (b"\xc4\xe3", '"GB2312"', "你"),
        (b"~{<:Ky~}", "HZ-GB-2312", "己所"),
        (b"h\x00i\x00", "utf-16le", "hi"),
        (b"+AOQ-", "UTF-7", "ä"),
        (b"\xff", "big5", "\ufffd"),
        (b"a", "punycode", "a"),
        (b"a", "zip", "a"),
        (b"a", "idna\x00", "a"),
    ],
)
def test_charsets(data, charset, text):
    assert decode(data, charset) == text


@given(st.binary(max_size=60))
@settings(max_examples=100)
def test_no_bytes_raise_in_any_known_charset(data):
    from workpost.formats.charsets import _CODECS

    for charset in set(_CODECS):
        decode(data, charset).encode()


@given(st.binary(max_size=60))
def test_base64_is_tolerant(data):
    decode_base64(data)


@pytest.mark.parametrize("unit", [b"=?a?q?", b"=?a?q?a?= ", b"=?", b"=?a?b?a?=", b"?="])
def test_long_values_take_linear_time(unit):
    started = time.process_time()
    decode_words(unit * (2_000_000 // len(unit)))
    assert time.process_time() - started < 3

"""The decoded half of a Summary, and its packed form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.formats.mime import (
    Summary,
    SummaryError,
    packed_body,
    packed_bodystructure,
    packed_envelope,
    packed_layout,
    packed_parts,
    summarize,
)

BASE64 = b"Content-Transfer-Encoding: base64\r\n"


def multipart(subtype: str, *parts: str) -> bytes:
    text = f"Content-Type: multipart/{subtype}; boundary=b{subtype}\r\n\r\n"
    text += "".join(f"--b{subtype}\r\n{part}\r\n" for part in parts) + f"--b{subtype}--\r\n"
    return text.encode()


def test_offsets_and_counts():
    summary = summarize(b"Subject: x\r\n\r\none\r\ntwo\r\n")
    assert (summary.header_end, summary.size, summary.lines) == (14, 24, 4)


def test_message_without_a_body_is_all_header():
    assert summarize(b"Subject: x\r\n").header_end == 12


def test_message_without_a_header_starts_with_the_blank_line():
    summary = summarize(b"\r\nbody")
    assert (summary.header_end, summary.preview) == (2, "body")


def test_bare_line_feeds_end_a_header_too():
    summary = summarize(b"Subject: x\n\nbody\n")
    assert (summary.header_end, summary.subject) == (12, "x")


def test_people_are_decoded():
    summary = summarize(
        b"From: =?utf-8?q?Ad=C3=A4?= <ada@demo.test>\r\nTo: team: grace@demo.test;\r\n"
        b'Cc: "x, y" <z@demo.test>\r\nBcc: b@demo.test\r\n\r\n'
    )
    assert summary.from_ == (("Adä", "ada@demo.test"),)
    assert summary.sender == summary.reply_to == summary.from_
    assert summary.to == (("", "grace@demo.test"),)
    assert summary.cc == (("x, y", "z@demo.test"),)
    assert summary.bcc == (("", "b@demo.test"),)


def test_ids_lose_their_brackets():
    summary = summarize(
        b"Message-ID: <a@demo.test>\r\nIn-Reply-To: <b@demo.test> (comment)\r\n"
        b"References: <c@demo.test>\r\n <d@demo.\r\n test>\r\n\r\n"
    )
    assert summary.message_id == "a@demo.test"
    assert summary.in_reply_to == ("b@demo.test",)
    assert summary.references == ("c@demo.test", "d@demo.test")


def test_an_id_without_brackets_is_taken_if_it_is_one_word():
    assert summarize(b"Message-ID: a@demo.test\r\n\r\n").message_id == "a@demo.test"
    assert summarize(b"Message-ID: not an id\r\n\r\n").message_id == ""


def test_references_are_bounded_to_the_first_and_last_50():
    raw = b"References: " + b" ".join(b"<%d@x>" % n for n in range(300)) + b"\r\n\r\n"
    references = summarize(raw).references
    assert len(references) == 100
    assert references[49:51] == ("49@x", "250@x")


def test_date_in_seconds():
    assert summarize(b"Date: Thu, 1 Jan 1970 01:00:00 +0000\r\n\r\n").date == 3600
    assert summarize(b"Date: some day\r\n\r\n").date is None


@pytest.mark.parametrize(
    ("raw", "preview"),
    [
        (b"\r\n  one \r\n\r\n two\t three ", "one two three"),
        (b"Content-Type: text/html\r\n\r\n<style>x</style><p>a&nbsp;&lt;b</p>c", "a <b c"),
        (BASE64 + b"\r\naGVsbG8=", "hello"),
        (b"Content-Type: image/png\r\n\r\nx", ""),
        (b"Content-Type: text/plain; charset=iso-8859-15\r\n\r\n\xa4 5", "€ 5"),
        (b"\r\n" + b"x" * 5000, "x" * 200),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "€".encode() * 5000, "€" * 200),
        (b"\r\na\x00b\x1bc", "a b c"),
    ],
)
def test_preview(raw, preview):
    assert summarize(raw).preview == preview


def test_preview_prefers_plain_text_and_skips_attachments():
    html = "Content-Type: text/html\r\n\r\n<b>html</b>"
    attached = "Content-Disposition: attachment\r\n\r\nattached"
    assert summarize(multipart("mixed", attached, html, "\r\nplain")).preview == "plain"


def test_preview_of_half_a_character_at_the_cut():
    raw = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b" " * 1999 + "€".encode()
    assert "\ufffd" not in summarize(raw).preview


PDF = "Content-Type: application/pdf; name=a.pdf\r\n\r\nx"
IMAGE = "Content-Type: image/png; name=a.png\r\nContent-ID: <c@x>\r\n\r\nx"
SIGNATURE = "Content-Type: application/pgp-signature; name=s.asc\r\n\r\nx"
MESSAGE = "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny"
LOGO = "Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-ID: <c@x>\r\n\r\nx"
TEXT = "\r\nhello"
NAMED = "Content-Type: text/plain; name=notes.txt\r\n\r\nx"


@pytest.mark.parametrize(
    ("raw", "has"),
    [
        (multipart("mixed", TEXT, PDF), True),
        (multipart("mixed", TEXT, NAMED), True),
        (multipart("mixed", TEXT, MESSAGE), True),
        (multipart("mixed", TEXT, "Content-Disposition: attachment\r\n\r\nx"), True),
        (multipart("related", TEXT, IMAGE), False),
        (multipart("mixed", TEXT, LOGO), False),
        (multipart("mixed", TEXT, IMAGE), True),
        (multipart("signed", TEXT, SIGNATURE), False),
        (multipart("alternative", TEXT, "Content-Type: text/html\r\n\r\nx"), False),
        (multipart("mixed", MESSAGE.replace("Subject: x\r\n\r\n", PDF)), True),
        (b"\r\nhello", False),
        (b"Content-Type: application/pdf\r\n\r\nx", True),
    ],
)
def test_has_attachment(raw, has):
    assert summarize(raw).has_attachment is has


@pytest.mark.parametrize(
    ("header", "filename"),
    [
        ("Content-Disposition: attachment; filename=a b.pdf", "a b.pdf"),
        ('Content-Disposition: attachment; filename="a;b (1).pdf"', "a;b (1).pdf"),
        ("Content-Disposition: attachment; filename*=utf-8'de'%C3%A4.pdf", "ä.pdf"),
        ('Content-Disposition: attachment; filename*0=one; filename*1=" two"', "one two"),
        ("Content-Disposition: a; filename*1*=%A4; filename*0*=iso-8859-15''a", "a€"),
        ("Content-Disposition: attachment; filename==?utf-8?b?w6Q=?=", "ä"),
        ('Content-Type: image/png; name="=?utf-8?q?=C3=A4.png?="', "ä.png"),
        ("Content-Disposition: a; filename*x=1; filename*0**=2; filename*1111=3", ""),
        ('Content-Disposition: attachment; filename="a\\"b"', 'a"b'),
        ("Content-Disposition: attachment; filename*=%0d%0aX", "X"),
    ],
)
def test_file_names_in_all_their_spellings(header, filename):
    assert summarize(f"{header}\r\n\r\n".encode()).parts[0].filename == filename


def test_part_says_what_clients_ask_for():
    (part,) = summarize(
        b"Content-Type: TEXT/HTML; CHARSET=UTF-8\r\nContent-Transfer-Encoding: 8BIT\r\n"
        b"Content-Disposition: INLINE\r\nContent-ID: <i@x>\r\n\r\nabc"
    ).parts
    assert (part.path, part.media_type, part.charset) == ("1", "text/html", "utf-8")
    assert (part.encoding, part.disposition, part.content_id) == ("8bit", "inline", "i@x")
    assert (part.header_start, part.body_end - part.body_start, part.text_start) == (0, 3, 0)


def test_packed_form_gives_everything_back():
    raw = multipart("mixed", TEXT, PDF, MESSAGE)
    summary = summarize(raw)
    packed = summary.pack()
    assert Summary.unpack(packed) == summary
    assert packed_envelope(packed) == summary.envelope
    assert packed_body(packed) == summary.body
    assert packed_bodystructure(packed) == summary.bodystructure
    assert packed_parts(packed) == summary.parts
    assert packed_layout(packed) == (summary.size, summary.header_end)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_unpack_of_anything_else_raises_its_own_error(data):
    with pytest.raises(SummaryError):
        Summary.unpack(data)


@given(st.data())
@settings(max_examples=100)
def test_unpack_of_a_damaged_summary_never_raises_another_error(data):
    packed = bytearray(summarize(multipart("mixed", TEXT, PDF)).pack())
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        Summary.unpack(bytes(packed))
    except SummaryError:
        pass


def test_a_newer_version_is_refused_by_name():
    packed = b"\x09" + summarize(b"").pack()[1:]
    for read in (Summary.unpack, packed_envelope, packed_body, packed_parts, packed_layout):
        with pytest.raises(SummaryError, match="version 9"):
            read(packed)

"""BODY and BODYSTRUCTURE, RFC 3501 7.4.2."""

from __future__ import annotations

from tests.formats.imap_lists import check_body, check_envelope
from workpost.formats.mime import summarize


def bodystructure(raw: bytes):
    return check_body(summarize(raw).bodystructure, extended=True)


def multipart(subtype: bytes, *parts: bytes, boundary: bytes = b"b", head: bytes = b"") -> bytes:
    raw = head + b"Content-Type: multipart/%b; boundary=%b\r\n\r\n" % (subtype, boundary)
    return (
        raw + b"".join(b"--%b\r\n%b\r\n" % (boundary, p) for p in parts) + b"--%b--\r\n" % boundary
    )


def test_rfc_3501_two_part_example_as_printed():
    text = b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n" + b"x" * 1106 + b"\r\n" * 23
    diff = (
        b'Content-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME="cc.diff"\r\n'
        b"Content-ID: <960723163407.20117h@cac.washington.edu>\r\n"
        b"Content-Description: Compiler diff\r\n"
        b"Content-Transfer-Encoding: BASE64\r\n\r\n" + b"x" * 4408 + b"\r\n" * 73
    )
    assert summarize(multipart(b"MIXED", text, diff)).body == (
        b'(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)'
        b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") '
        b'"<960723163407.20117h@cac.washington.edu>" "Compiler diff" "BASE64" 4554 73) "MIXED")'
    )


def test_missing_content_type_is_us_ascii_text():
    summary = summarize(b"Subject: x\r\n\r\nhi\r\n")
    assert summary.body == b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 4 1)'
    assert summary.bodystructure == summary.body[:-1] + b" NIL NIL NIL NIL)"


def test_extension_data_of_a_single_part():
    raw = (
        b"Content-Type: image/png; name=a.png\r\nContent-MD5: Q2hlY2s=\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''%C3%A4.png; size=3\r\n"
        b"Content-Language: en, de-AT\r\nContent-Location: http://demo.test/a.png\r\n\r\nabc"
    )
    assert bodystructure(raw)[6:] == [
        3,
        b"Q2hlY2s=",
        [b"ATTACHMENT", [b"FILENAME*", b"utf-8''%C3%A4.png", b"SIZE", b"3"]],
        [b"en", b"de-AT"],
        b"http://demo.test/a.png",
    ]


def test_a_disposition_of_nothing_is_nil():
    assert bodystructure(b"Content-Disposition: ; x=y\r\nContent-Language: ()\r\n\r\n")[-3:] == [
        None,
        None,
        None,
    ]


def test_one_language_is_a_string_and_a_bare_disposition_has_nil_parameters():
    raw = b"Content-Language: en\r\nContent-Disposition: inline\r\n\r\n"
    assert bodystructure(raw)[-3:] == [[b"INLINE", None], b"en", None]


def test_extension_data_of_a_multipart():
    raw = multipart(b"mixed", b"\r\nhi", head=b"Content-Disposition: inline\r\n")
    assert bodystructure(raw)[1:] == [
        b"MIXED",
        [b"BOUNDARY", b"b"],
        [b"INLINE", None],
        None,
        None,
    ]


def test_message_rfc822_has_envelope_body_and_lines():
    inner = b"From: ada@demo.test\r\nSubject: inner\r\n\r\none\r\ntwo\r\n"
    raw = multipart(b"mixed", b"Content-Type: message/rfc822\r\n\r\n" + inner)
    part = bodystructure(raw)[0]
    assert part[:7] == [b"MESSAGE", b"RFC822", None, None, None, b"7BIT", len(inner)]
    assert part[7][1] == b"inner"
    assert part[8][:7] == [b"TEXT", b"PLAIN", [b"CHARSET", b"US-ASCII"], None, None, b"7BIT", 10]
    assert part[9] == 5


def test_rfc_2046_5_1_5_parts_of_a_digest_are_messages_by_default():
    raw = multipart(b"digest", b"\r\nSubject: one\r\n\r\nx", b"Content-Type: text/plain\r\n\r\ny")
    first, second = bodystructure(raw)[:2]
    assert first[:2] == [b"MESSAGE", b"RFC822"]
    assert first[7][1] == b"one"
    assert second[:2] == [b"TEXT", b"PLAIN"]


def test_multipart_without_boundary_or_parts_is_plain_text():
    for head in (
        b"Content-Type: multipart/mixed\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
    ):
        assert bodystructure(head + b"\r\nno parts here\r\n")[:3] == [b"TEXT", b"PLAIN", None]


def test_malformed_types_and_encodings_fall_back():
    for value in (b"text", b"/plain", b"text/", b"te xt/plain", b'te"xt/pl"ain', b"\xff/\xff"):
        raw = b'Content-Type: %b\r\nContent-Transfer-Encoding: "\\\r\n\r\nx' % value
        assert bodystructure(raw)[:6:5] == [b"TEXT", b"7BIT"]


def test_8_bit_and_quoted_parameters():
    raw = b'Content-Type: text/plain; name="a\\"b\xe4"; x=\xff\r\n\r\n'
    assert bodystructure(raw)[2] == [b"NAME", b'a"b\xe4', b"X", b"\xff"]


def test_rfc_2045_comment_after_a_parameter_is_dropped():
    raw = b"Content-Type: text/plain; charset=us-ascii (Plain text)\r\n\r\n"
    assert bodystructure(raw)[2] == [b"CHARSET", b"us-ascii"]


def test_nested_message_with_8_bit_header_keeps_its_literals():
    inner = b"Subject: \xe4\r\n\r\nx"
    summary = summarize(multipart(b"mixed", b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert check_body(summary.body, extended=False)[0][7][1] == b"\xe4"
    check_envelope(summary.envelope)

"""Our offsets against what the standard library parses, on generated multipart messages."""

from __future__ import annotations

import email
import email.policy
from email.message import Message

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.imap_lists import check_body, check_envelope
from workpost.formats.mime import (
    Summary,
    body_text,
    decode_part,
    filter_header,
    header_text,
    header_values,
    summarize,
)
from workpost.formats.mime.compose import Attachment, compose

LINES = st.lists(
    st.one_of(
        st.text('ab -=:;"<>äö', max_size=20).map(str.encode),
        st.sampled_from([b"--", b"--b", b"--b0x", b"--b--x", b" --b0", b"-- b0", b"--b00 0", b"."]),
    ),
    max_size=5,
)
EOL = b"\r\n"


@st.composite
def entities(draw, depth: int = 3, number: list[int] | None = None) -> bytes:
    """An entity whose boundaries are prefixes of each other: b0, b00, b000 ..."""
    number = [0] if number is None else number
    kind = draw(st.sampled_from(["leaf", "leaf", "multipart", "message"] if depth else ["leaf"]))
    if kind == "leaf":
        head = draw(
            st.sampled_from(
                [
                    b"",
                    b"Content-Type: text/plain; charset=utf-8" + EOL,
                    b"Content-Type: text/html" + EOL,
                    b"Content-Type: application/octet-stream;\r\n\tname=x" + EOL,
                ]
            )
        )
        return head + EOL + EOL.join(draw(LINES))
    if kind == "message":
        return (
            b"Content-Type: message/rfc822" + EOL + EOL + b"Subject: inner" + EOL
            + draw(entities(depth - 1, number))
        )  # fmt: skip
    number[0] += 1
    boundary = b"b" + b"0" * number[0]
    parts = [draw(entities(depth - 1, number)) for _ in range(draw(st.integers(1, 3)))]
    preamble = EOL.join(draw(LINES)) + EOL if draw(st.booleans()) else b""
    out = b"Content-Type: multipart/mixed; boundary=%b" % boundary + EOL + EOL + preamble
    for part in parts:
        out += b"--" + boundary + draw(st.sampled_from([b"", b" ", b"\t "])) + EOL + part + EOL
    out += b"--" + boundary + b"--"
    return out + (EOL + EOL.join(draw(LINES)) if draw(st.booleans()) else b"")


def leaves(message: Message, prefix: str = "", *, root: bool = True):
    """The (path, type, body) of every leaf, numbered as IMAP numbers them."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for number, part in enumerate(message.get_payload(), 1):
            yield from leaves(part, f"{prefix}{number}.", root=False)
        return
    path = prefix or "1."
    if message.get_content_type() == "message/rfc822":
        inner = message.get_payload(0)
        multipart = inner.get_content_maintype() == "multipart" and inner.is_multipart()
        yield from leaves(inner, path if multipart else f"{path}1.", root=False)
        return
    yield path[:-1], message.get_content_type(), message.get_payload(decode=True)


@given(entities())
@settings(max_examples=150, deadline=None)
def test_leaf_bodies_are_byte_for_byte_those_of_the_standard_parser(raw):
    raw = b"Subject: outer" + EOL + raw
    summary = summarize(raw)
    ours = {
        p.path: (p.media_type, raw[p.body_start : p.body_end])
        for p in summary.parts
        if not p.media_type.startswith("multipart/") and p.media_type != "message/rfc822"
    }
    theirs = {path: (kind, body) for path, kind, body in leaves(email.message_from_bytes(raw))}
    assert ours == theirs
    check_body(summary.bodystructure, extended=True)
    check_body(summary.body, extended=False)


@given(
    st.text(max_size=60).filter(lambda s: s.isprintable()),
    st.text(max_size=300),
    st.binary(max_size=300),
    st.text(st.characters(codec="latin-1", categories=["L", "N"]), min_size=1, max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_what_the_standard_library_composes_we_read_back(subject, text, content, filename):
    raw = compose(
        from_=("Ada Lovelace", "ada@demo.test"),
        to=[("", "grace@demo.test")],
        subject=subject,
        epoch=1_000_000_000,
        message_id="1@demo.test",
        text=text,
        html="<p>x</p>",
        attachments=[Attachment(f"{filename}.bin", content)],
    )
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    summary = summarize(raw)
    attached = next(p for p in summary.parts if p.disposition == "attachment")
    assert decode_part(raw, attached) == content
    assert attached.filename == next(parsed.iter_attachments()).get_filename()
    assert summary.subject.split() == str(parsed["Subject"]).split()
    assert summary.date == 1_000_000_000


MIMEISH = st.lists(
    st.sampled_from([
        b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"--", b"--a", b"--ab", b"--a--", b"\r\n--a\r\n",
        b"\r\n\r\n", b"Content-Type: ", b"multipart/mixed; boundary=", b"a", b"ab", b'"a"', b"\xff",
        b"message/rfc822", b"text/html", b"multipart/digest;boundary=a", b"Subject: ", b"From: ",
        b"To: ", b"<", b">", b"@", b"x@y.test", b"(", b")", b":", b";", b",", b'"', b"\\", b"[",
        b"=", b"=?utf-8?q?=C3?=", b"=?utf-7?b?2AA?=", b"Content-Transfer-Encoding: ", b"base64",
        b"*0*=", b"quoted-printable", b"Content-Disposition: attachment; filename", b"%FF",
        b"charset=utf-7", b"References: ", b"Date: ", b"Content-Language: ", b"<style", b"<!--",
        b"&#xD800;", b"+2AA-",
    ]),
    max_size=60,
).map(b"".join)  # fmt: skip


@given(st.one_of(st.binary(max_size=300), MIMEISH))
@settings(max_examples=200, deadline=None)
def test_for_any_bytes_nothing_raises_and_the_wire_strings_fit_the_grammar(raw):
    summary = summarize(raw)
    check_envelope(summary.envelope)
    check_body(summary.body, extended=False)
    check_body(summary.bodystructure, extended=True)
    assert Summary.unpack(summary.pack()) == summary
    assert 0 <= summary.header_end <= summary.size == len(raw)
    for part in summary.parts:
        assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(raw)
        if part.text_start:
            assert part.body_start <= part.text_start <= part.body_end
        decode_part(raw, part)
    header = raw[: summary.header_end]
    texts = [body_text(raw, summary.parts), header_text(header), *header_values(header, "subject")]
    for text in (*texts, summary.subject, summary.preview):
        text.encode()
    assert len(summary.preview) <= 200
    assert filter_header(header, [b"x"], negate=True).endswith(b"\r\n")

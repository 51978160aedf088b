"""Messages of our own making."""

from __future__ import annotations

import email
import email.policy

import pytest

from workpost.formats.mime import header_values, summarize
from workpost.formats.mime.compose import Attachment, compose

BASIC = {
    "from_": ("Ada Lovelace", "ada@demo.test"),
    "to": [("Grace", "grace@demo.test"), ("", "x@demo.test")],
    "subject": "Grüße",
    "epoch": 1_000_000_000,
    "message_id": "1@demo.test",
    "text": "Hello\nworld ä\n",
}


def test_plain_message():
    raw = compose(**BASIC, cc=[("C", "c@demo.test")], in_reply_to="0@x", references=["z@x", "0@x"],
                  headers=[("X-Test", "yes")])  # fmt: skip
    summary = summarize(raw)
    assert summary.from_ == (("Ada Lovelace", "ada@demo.test"),)
    assert summary.to == (("Grace", "grace@demo.test"), ("", "x@demo.test"))
    assert (summary.subject, summary.message_id, summary.date) == ("Grüße", "1@demo.test", 10**9)
    assert (summary.cc, summary.in_reply_to) == ((("C", "c@demo.test"),), ("0@x",))
    assert summary.references == ("z@x", "0@x")
    assert summary.preview == "Hello world ä"
    assert header_values(raw, "x-test") == ["yes"]
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_html_inline_image_attachment_and_nested_message():
    raw = compose(
        **BASIC,
        html="<img src='cid:i'>",
        attachments=[
            Attachment("a.pdf", b"\x00\xff", "application/pdf"),
            Attachment("i.png", b"png", "image/png", "i"),
        ],
        messages=[compose(**{**BASIC, "subject": "inner"})],
    )
    kinds = [(p.path, p.media_type) for p in summarize(raw).parts]
    assert kinds == [
        ("", "multipart/mixed"),
        ("1", "multipart/alternative"),
        ("1.1", "text/plain"),
        ("1.2", "multipart/related"),
        ("1.2.1", "text/html"),
        ("1.2.2", "image/png"),
        ("2", "application/pdf"),
        ("3", "message/rfc822"),
        ("3.1", "text/plain"),
    ]
    assert not email.message_from_bytes(raw, policy=email.policy.default).defects


def test_the_same_arguments_give_the_same_bytes():
    make = [compose(**BASIC, html="<p>x</p>") for _ in range(2)]
    assert make[0] == make[1]


@pytest.mark.parametrize("field", ["subject", "message_id"])
def test_no_value_can_add_a_field(field):
    with pytest.raises(ValueError, match="linefeed|newline|invalid"):
        compose(**{**BASIC, field: "x\r\nBcc: y@demo.test"})

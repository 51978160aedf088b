"""Delivery status notifications: RFC 3464, 3461 6, 6522 and 6533 3."""

from __future__ import annotations

import email
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mime import summarize
from workpost.formats.mime.report import (
    ReportRecipient,
    compose_report,
    decode_xtext,
    fits_whole,
    report_fields,
    typed_address,
)

ORIGINAL = b"Subject: Lunch?\r\nFrom: ada@demo.test\r\n\r\nGood morning.\r\n"
FAILED = ReportRecipient(
    "x@y.test",
    "failed",
    "5.1.1",
    diagnostic="550 5.1.1 no such\r\nperson",
    remote="mx.y.test",
    original="rfc822;X+2Btag@y.test",
    last_attempt=1_000_000_000,
)
DELAYED = ReportRecipient("z@y.test", "delayed", "4.0.0", retry_until=1_000_000_000)


def report(**changed: Any) -> bytes:
    values: dict[str, Any] = {
        "from_": ("Mail delivery", "postmaster@demo.test"),
        "to": "ada@demo.test",
        "subject": "Undelivered",
        "epoch": 0,
        "message_id": "2@demo.test",
        "text": "It did not work.\n",
        "reporting_mta": "mx.demo.test",
        "recipients": [FAILED, DELAYED],
        "original": ORIGINAL,
        "envid": "QQ+2B1",
        "arrival": 999_000_000,
    }
    return compose_report(**{**values, **changed})


def groups(raw: bytes) -> list[Message]:
    status = email.message_from_bytes(raw).get_payload(1)
    assert isinstance(status, Message)
    payload = status.get_payload()
    assert isinstance(payload, list)
    return [each for each in payload if isinstance(each, Message)]


def test_three_parts_words_fields_and_header() -> None:
    raw = report(original=ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    parsed = email.message_from_bytes(raw)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert [part.media_type for part in summarize(raw).parts] == [
        "multipart/report",
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_fields_of_message_and_recipients() -> None:
    message, failed, delayed = groups(report())
    assert message["Reporting-MTA"] == "dns; mx.demo.test"
    assert message["Original-Envelope-Id"] == "QQ+1"
    assert message["Arrival-Date"] == "Tue, 28 Aug 2001 12:00:00 +0000"
    assert failed["Original-Recipient"] == "rfc822; X+tag@y.test"
    assert failed["Final-Recipient"] == "rfc822; x@y.test"
    assert (failed["Action"], failed["Status"]) == ("failed", "5.1.1")
    assert failed["Remote-MTA"] == "dns; mx.y.test"
    assert failed["Diagnostic-Code"] == "smtp; 550 5.1.1 no such person"
    assert failed["Last-Attempt-Date"] == "Sun, 09 Sep 2001 01:46:40 +0000"
    assert (delayed["Action"], delayed["Diagnostic-Code"]) == ("delayed", None)
    assert delayed["Will-Retry-Until"] == "Sun, 09 Sep 2001 01:46:40 +0000"


def test_the_whole_message_byte_for_byte() -> None:
    raw = report(original=ORIGINAL + b"\xff\r\n", whole=True)
    assert ORIGINAL + b"\xff\r\n" in raw
    assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n" in raw
    assert raw.index(b"Content-Transfer-Encoding: 8bit") < raw.index(b"multipart/report")


def test_international_headers_and_addresses_rfc6533() -> None:
    original = "Subject: Grüße\r\n\r\nHi\r\n".encode()
    raw = report(original=original, whole=True)
    assert b"Content-Type: message/global\r\n" in raw
    assert typed_address("grüße@y.test") == r"utf-8; gr\x{FC}\x{DF}e@y.test"
    assert typed_address("a+b@y.test") == "rfc822; a+b@y.test"


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ('"a \\"b"@demo.test', '"a \\"b"@demo.test'),
        ("ada@bücher.test", "ada@xn--bcher-kva.test"),
        ("jürgen@demo.test", "jürgen@demo.test"),
        ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
    ],
)
def test_every_sender_is_addressed_as_he_is(sender: str, shown: str) -> None:
    raw = report(to=sender)
    assert f"\r\nTo: {shown}\r\n".encode() in raw
    assert summarize(raw).to == (("", shown),)


@pytest.mark.parametrize("id", ["a\x1b[2J@b", "ü@b", ""])
def test_a_message_id_that_fits_in_no_header_is_passed_over(id: str) -> None:
    assert b"References" not in report(references=id)
    assert b"References: <a@b>" in report(references="a@b")


@pytest.mark.parametrize("bad", ["x\r\nBcc: y@demo.test", "a\nb@demo.test"])
def test_no_address_can_add_a_field(bad: str) -> None:
    with pytest.raises(ValueError, match="linefeed|newline|invalid"):
        report(to=bad)


def test_a_subject_is_one_line() -> None:
    raw = report(subject="one\r\nBcc: two@demo.test")
    assert email.message_from_bytes(raw)["Bcc"] is None


@given(st.text(), st.text(), st.text(max_size=2_000))
def test_fields_are_ascii_lines_whatever_servers_say(address: str, envid: str, said: str) -> None:
    one = ReportRecipient(address, "failed", "5.0.0", diagnostic=said, original="rfc822;" + address)
    text = report_fields("mx.demo.test", [one], envid, 1)
    assert text.isascii()
    assert all(len(line) < 998 for line in text.split("\n"))
    assert text.count("\n\n") == 1


@given(st.text())
def test_xtext_decoding_never_fails(text: str) -> None:
    decode_xtext(text)


def test_what_cannot_be_returned_whole() -> None:
    assert fits_whole(ORIGINAL)
    assert not fits_whole(b"x" * 999)
    assert not fits_whole(b"\0")

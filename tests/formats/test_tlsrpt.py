"""TLS reports (RFC 8460): records and messages."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.tlsrpt import Wanted, compose, parse_record


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["v=TLSRPTv1;rua=mailto:tls@example.test"], Wanted(("tls@example.test",))),
        (
            ["v=TLSRPTv1; rua=mailto:a%2Bb@example.test?x=y,https://r.example.test/x"],
            Wanted(("a+b@example.test",), ("https://r.example.test/x",)),
        ),
        (["other", "v=TLSRPTv1; x=1; rua=mailto:a@b.test;"], Wanted(("a@b.test",))),
        (["v=TLSRPTv1; rua=http://a.test,mailto:nobody,https://,ftp://x"], Wanted()),
        (["v=TLSRPTv1; rua=mailto:a@b.test"] * 2, Wanted()),
        (["v=TLSRPTv2; rua=mailto:a@b.test"], Wanted()),
        (["v=TLSRPTv1"], Wanted()),
        ([], Wanted()),
    ],
)
def test_records(texts: list[str], wanted: Wanted) -> None:
    assert parse_record(texts) == wanted


@given(st.text(max_size=200))
def test_any_record_is_read(text: str) -> None:
    wanted = parse_record([f"v=TLSRPTv1;rua={text}"])
    assert len(wanted.addresses) + len(wanted.urls) <= 4


def test_a_stranger_whose_address_looks_like_an_encoded_word_brings_no_fields() -> None:
    word = "=%3Futf-8%3Fb%3FeA0KQmNjOiBnQGguaQ%3D%3D%3F="
    (to,) = parse_record([f"v=TLSRPTv1;rua=mailto:{word}@a.test"]).addresses
    raw = send(to)
    assert b"\r\nBcc:" not in raw
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in raw


def send(to: str) -> bytes:
    return compose(
        from_="tls@demo.test",
        to=to,
        epoch=0,
        message_id="1@mail.demo.test",
        domain="example.test",
        submitter="mail.demo.test",
        report_id="abc",
        name="mail.demo.test!example.test!0!86399!abc.json.gz",
        report=b"\x1f\x8b...",
    )


def test_a_message_with_a_report() -> None:
    raw = send("reports@example.test")
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "tlsrpt"
    assert message["TLS-Report-Domain"] == "example.test"
    assert message["TLS-Required"] == "No"
    assert "Report-ID: <abc@mail.demo.test>" in message["Subject"]
    text, report = message.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert report.get_content_type() == "application/tlsrpt+gzip"
    assert report.get_content() == b"\x1f\x8b..."
    assert report.get_filename().startswith("mail.demo.test!example.test!")
    assert raw.isascii()

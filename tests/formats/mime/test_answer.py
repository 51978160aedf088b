"""Messages that mailboxes send by themselves: RFC 3834 3, RFC 5230 5, RFC 8098 3."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.formats.mime.answer import NOTIFIED, compose_answer, compose_refusal

HEAD = {
    "date",
    "from",
    "to",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "auto-submitted",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "importance",
}


def parsed(raw: bytes) -> EmailMessage:
    made = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(made, EmailMessage)
    return made


def answer(text: str = "Away.", **more: object) -> bytes:
    given: dict[str, object] = {
        "from_": ("Grace", "grace@demo.test"),
        "to": ["bob@elsewhere.example"],
        "subject": "Auto: Hello",
        "epoch": 1_795_773_600.0,
        "message_id": "1@demo.test",
        **more,
    }
    return compose_answer(text=text, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written", ['"a\\" <x@y.test>, b"@far.test', '"a b"@far.test', "a.b@far.test"]
)
def test_an_answer_goes_to_the_address_as_it_is(written: str) -> None:
    for made in (answer(to=[written]), answer(from_=("G", written))):
        (one,) = parsed(made)["From" if b"G <" in made else "To"].addresses
        assert (one.addr_spec, one.display_name in ("", "G")) == (written, True)


def test_an_answer_names_what_it_answers() -> None:
    made = parsed(answer("Grüße", answers="b@x.test", references=["a@x.test", "b@x.test", "c d"]))
    assert made["Auto-Submitted"] == "auto-replied"
    assert made["In-Reply-To"] == "<b@x.test>"
    assert made["References"] == "<a@x.test> <b@x.test>"
    assert made.get_content().strip() == "Grüße"
    assert parsed(answer(kind=NOTIFIED))["Auto-Submitted"] == "auto-notified"


def test_a_mime_entity_keeps_its_type_and_loses_other_fields() -> None:
    text = 'Content-Type: text/html; charset="utf-8"\nBcc: x@y.test\nSubject: no\n\n<b>Grüße</b>\n'
    made = parsed(answer(text, mime=True))
    assert made.get_content_type() == "text/html"
    assert (made["Bcc"], made["Subject"]) == (None, "Auto: Hello")
    assert "<b>Grüße</b>" in made.get_content()


def test_addresses_that_fit_in_no_header_are_refused() -> None:
    with pytest.raises(ValueError, match="domain"):
        answer(to=["nobody"])
    with pytest.raises(ValueError, match="domain"):
        answer(from_=("x", "@c.test"))


def test_a_refusal_is_a_disposition_notification() -> None:
    made = parsed(
        compose_refusal(
            from_=("Grace", "grace@demo.test"),
            to="bob@elsewhere.example",
            subject="Rejected: Hello",
            epoch=1_795_773_600.0,
            message_id="1@demo.test",
            text="Grüße, nein.",
            reporting="mail.demo.test",
            recipient="grace@demo.test",
            original_id="b@x.test",
        )
    )
    assert made.get_param("report-type") == "disposition-notification"
    said, told = made.iter_parts()
    assert said.get_content().strip() == "Grüße, nein."
    assert told.get_content_type() == "message/disposition-notification"
    assert "automatic-action/MDN-sent-automatically; deleted" in told.as_string()
    assert "Original-Message-ID: <b@x.test>" in told.as_string()


@given(
    st.text(max_size=200),
    st.text(max_size=60),
    st.text(max_size=100),
    st.text(max_size=30),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_nothing_that_others_wrote_becomes_a_field(
    text: str, name: str, subject: str, message_id: str, mime: bool
) -> None:
    try:
        raw = answer(
            text,
            from_=(name, "grace@demo.test"),
            subject=subject,
            answers=message_id,
            references=[message_id, "a@b.test"],
            mime=mime,
            fields=[("Importance", subject)],
        )
    except ValueError:
        return
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    names = {field.lower() for field in parsed(raw)}
    assert {one for one in names if not one.startswith("content-")} <= HEAD

"""Nothing that strangers write brings fields or a body of its own into what is sent by itself."""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mime.answer import compose_answer, compose_refusal
from workpost.formats.mime.foreign import UNDISCLOSED, is_id, one_line
from workpost.formats.mime.journal import compose_journal
from workpost.formats.mime.report import ReportRecipient, compose_report


def encode(text: str) -> str:
    """An encoded word."""
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


WORD = encode("x\r\nBcc: grace@demo.test\r\n\r\nbody\0")
EVIL = [WORD, f"a {WORD}", encode(WORD), encode(encode(encode(encode(encode(WORD)))))]


def answer(**more: Any) -> bytes:
    values: dict[str, Any] = {
        "from_": ("Ada", "ada@demo.test"),
        "to": ["alan@else.test"],
        "subject": "Away",
        "epoch": 0,
        "message_id": "1@demo.test",
        "text": "I am away.",
    }
    return compose_answer(**{**values, **more})


def refusal(**more: Any) -> bytes:
    values: dict[str, Any] = {
        "from_": ("Ada", "ada@demo.test"),
        "to": "alan@else.test",
        "subject": "Rejected",
        "epoch": 0,
        "message_id": "1@demo.test",
        "text": "No.",
        "reporting": "mx.test",
        "recipient": "ada@demo.test",
        "original_id": "2@else.test",
    }
    return compose_refusal(**{**values, **more})


def report(**more: Any) -> bytes:
    values: dict[str, Any] = {
        "from_": ("Mail delivery", "postmaster@demo.test"),
        "to": "alan@else.test",
        "subject": "Delivery Status Notification (Failure)",
        "epoch": 0,
        "message_id": "1@demo.test",
        "text": "It was not delivered.",
        "reporting_mta": "mx.test",
        "recipients": [ReportRecipient("ada@demo.test", "failed", "5.1.1")],
        "original": b"From: alan@else.test\r\n\r\n",
    }
    return compose_report(**{**values, **more})


def journal(**more: Any) -> bytes:
    values: dict[str, Any] = {
        "from_": "amazonjournaling@demo.test",
        "to": "archive@else.test",
        "epoch": 0,
        "message_id": "1@demo.test",
        "sender": "alan@else.test",
        "on_behalf": "",
        "subject": "Plan",
        "original_id": "2@else.test",
        "recipients": [("To", "ada@demo.test")],
        "original": b"From: alan@else.test\r\n\r\n",
    }
    return compose_journal(**{**values, **more})


def cases(word: str) -> list[bytes]:
    """Every message that is made by itself, with the word wherever a stranger may write it."""
    address = f"{word.rsplit(maxsplit=1)[-1]}@else.test"
    return [
        answer(subject=word, answers=f"{word}@else.test", references=[f"{word}@else.test"]),
        answer(answers="2@else.test", references=["3@else.test", f"{word}@else.test"]),
        answer(from_=(word, "ada@demo.test"), to=[address], fields=[("X-Said", word)]),
        answer(kind=f'auto-notified; owner-email="{address}"'),
        answer(mime=True, text=f"Content-Description: {word}\nX: y\n\nHello"),
        refusal(subject=word, to=address, original_id=f"{word}@else.test", recipient=address),
        report(subject=word, to=address, references=f"{word}@else.test"),
        report(recipients=[ReportRecipient(address, "failed", "5.1.1", diagnostic=word)]),
        journal(subject=word, to=address, original_id=f"{word}@else.test", sender=address),
    ]


@pytest.mark.parametrize("word", EVIL)
def test_encoded_words_end_no_field(word: str) -> None:
    for raw in cases(word):
        header, _, _ = raw.partition(b"\r\n\r\n")
        assert b"\0" not in raw
        assert b"\r\nBcc:" not in raw
        assert b"\r\nMIME-Version: 1.0" in header
        assert message_from_bytes(raw, policy=SMTP)["Bcc"] is None


def test_an_address_that_looks_like_an_encoded_word_is_written_to_all_the_same() -> None:
    to = f"{WORD}@else.test"
    for raw in (answer(to=[to]), refusal(to=to), report(to=to), journal(to=to)):
        assert f"\r\nTo: {UNDISCLOSED}\r\n".encode() in raw


def test_what_is_encoded_twice_is_shown_decoded() -> None:
    assert one_line(encode(encode("Grüße"))) == "Grüße"
    assert one_line("  Plan\t for\r\n Monday ") == "Plan for Monday"
    assert one_line("what =? is that") == "what = ? is that"


@given(
    st.text() | st.lists(st.sampled_from(["=?", "utf-8", "?b?", "DQo=", "?=", " "])).map("".join)
)
def test_any_text_is_one_line(text: str) -> None:
    found = one_line(text)
    assert "=?" not in found
    assert len(found.splitlines()) <= 1
    assert one_line(found) == found


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("1@a.test", True),
        ("", False),
        ("a b@c", False),
        ("a\x07@c", False),
        ("é@c", False),
        (f"{WORD}@c", False),
        ("x" * 901, False),
    ],
)
def test_ids(text: str, good: bool) -> None:
    assert is_id(text) is good

"""Each rule of the embedded scorer fits what its line says, and ordinary mail fits none."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.operations.filtering.looking import Looked
from workpost.operations.filtering.rules import POINTS, Surroundings, check
from workpost.operations.mailflow.envelope import Envelope

DATE = "Fri, 27 Nov 2026 12:00:00 +0000"
NOW = 1795780800.0 + 3600
FIELDS = {
    "From": "Ada Lovelace <ada@sender.example>",
    "To": "grace@demo.test",
    "Subject": "Minutes of the meeting",
    "Date": DATE,
    "Message-ID": "<1@sender.example>",
}
HTML = {"Content-Type": "text/html; charset=utf-8"}
WORDS = "These are the minutes of the meeting on Monday, with all that was said and decided there. "


class Result(NamedTuple):
    result: str


class Authentication(NamedTuple):
    spf: Result
    dkim: list[Result]
    dmarc: Result


def authenticated(spf: str = "none", dkim: str = "", dmarc: str = "none") -> Authentication:
    signatures = [Result(one) for one in dkim.split()]
    return Authentication(Result(spf), signatures, Result(dmarc))


def write(body: str = WORDS, drop: str = "", **fields: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    known = {**FIELDS, **named}
    known.pop(drop, None)
    head = "".join(f"{name}: {value}\r\n" for name, value in known.items())
    return f"{head}\r\n{body}\r\n".encode()


def hits(
    raw: bytes,
    helo: str = "mail.sender.example",
    peer: str = "192.0.2.1",
    authentication: Authentication | None = None,
) -> set[str]:
    arrival = Envelope(
        sender="ada@sender.example", recipients=["grace@demo.test"], helo=helo, peer=peer
    )
    around = Surroundings(NOW, "mx.demo.test", authentication)
    found = check(Looked(raw), arrival, around)
    assert all(points == POINTS[name] for name, points in found)
    return {name for name, _ in found}


def attached(name: str, kind: str = "application/octet-stream") -> bytes:
    return write(
        "--b\r\nContent-Type: text/plain\r\n\r\n" + WORDS + "\r\n--b\r\n"
        f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nx'
        "\r\n--b--",
        Content_Type="multipart/mixed; boundary=b",
    )


def page(inside: str, words: str = WORDS) -> bytes:
    return write(f"<html><body><p>{words}</p>{inside}</body></html>", **HTML)


def test_ordinary_mail_fits_no_rule() -> None:
    assert hits(write()) == set()
    assert hits(attached("minutes.v2.pdf", "application/pdf")) == set()
    link = '<a href="https://www.sender.example/a">www.sender.example</a>'
    assert hits(page(link)) == {"ONLY_HTML"}


def test_a_newsletter_may_answer_elsewhere_and_name_the_list() -> None:
    raw = write(
        To="list@other.example", Reply_To="list@other.example", List_Id="<list.other.example>"
    )
    assert hits(raw) == set()


RULES = {
    "NO_DATE": write(drop="Date"),
    "DATE_FAR": write(Date="Fri, 27 Nov 2020 12:00:00 +0000"),
    "NO_MESSAGE_ID": write(drop="Message-ID"),
    "NO_FROM": write(drop="From"),
    "MANY_FROM": write(From="ada@sender.example, bob@sender.example"),
    "NO_SUBJECT": write(Subject=" "),
    "SHOUTING_SUBJECT": write(Subject="YOU HAVE WON IT ALL"),
    "NAME_HOLDS_ADDRESS": write(From='"service@bank.example" <ada@sender.test>'),
    "MIXED_SCRIPTS": write(Subject="Your p\u0430ssword".encode().decode("utf-8")),
    "REPLY_ELSEWHERE": write(Reply_To="other@freemail.test"),
    "NOT_ADDRESSED": write(To="undisclosed-recipients:;"),
    "RECEIVED_FORGED": b"Received: from a by MX.demo.test with ESMTP; "
    + DATE.encode()
    + b"\r\n"
    + write(),
    "PROGRAM_ATTACHED": attached("setup.exe"),
    "HIDDEN_EXTENSION": attached("invoice.pdf.scr"),
    "MACROS_ATTACHED": attached("figures.xlsm"),
    "PAGE_ATTACHED": attached("login.html", "text/html"),
    "ONLY_HTML": page(""),
    "HARDLY_TEXT": page("<img src=cid:1>", "Look"),
    "HTML_FORM": page("<form action=x>"),
    "INVISIBLE_LETTERS": write(
        "p\u200bills " * 6 + WORDS, Content_Type="text/plain; charset=utf-8"
    ),
    "LINK_TO_ADDRESS": write(WORDS + "http://192.0.2.7/a"),
    "LINK_WITH_USER": write(WORDS + "https://bank.example@evil.test/"),
    "LINK_PUNYCODE": write(WORDS + "https://xn--pple-43d.test/"),
    "LINK_PORT": write(WORDS + "http://evil.test:8081/"),
    "LINK_LIES": page('<a href="https://evil.test/x">https://www.bank.example/login</a>'),
    "LINK_RUNS": page('<a href="javascript:run()">here</a>'),
}
CLIENTS = {
    "HELO_OURS": ("mx.demo.test", None),
    "HELO_NO_NAME": ("192.0.2.1", None),
    "SPF_FAIL": ("a.example", authenticated(spf="fail", dkim="pass")),
    "SPF_SOFTFAIL": ("a.example", authenticated(spf="softfail", dkim="pass")),
    "DKIM_FAIL": ("a.example", authenticated(spf="pass", dkim="fail fail")),
    "DMARC_FAIL": ("a.example", authenticated(spf="pass", dmarc="fail")),
    "DMARC_PASS": ("a.example", authenticated(spf="fail", dkim="pass", dmarc="pass")),
    "UNAUTHENTICATED": ("a.example", authenticated()),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fits(rule: str) -> None:
    assert rule in hits(RULES[rule])


@pytest.mark.parametrize("rule", CLIENTS)
def test_a_rule_on_the_client_fits(rule: str) -> None:
    helo, authentication = CLIENTS[rule]
    found = hits(write(), helo, authentication=authentication)
    assert rule in found
    assert found == {rule}


def test_mail_in_the_recipients_own_name_that_nothing_speaks_for() -> None:
    raw = write(From="boss@demo.test")
    assert "FROM_OURS" in hits(raw, authentication=authenticated())
    assert "FROM_OURS" not in hits(raw, authentication=authenticated(spf="pass"))
    assert "FROM_OURS" not in hits(raw)


def test_a_relay_of_ours_is_not_judged_by_its_greeting() -> None:
    assert hits(write(), helo="mx.demo.test", peer="127.0.0.1") == set()
    assert hits(write(), helo="relay", peer="10.1.2.3") == set()


def test_names_that_turn_their_own_direction() -> None:
    assert "HIDDEN_EXTENSION" in hits(attached("photo\u202egpj.scr"))


def test_every_rule_has_a_test_and_a_line_in_the_documentation() -> None:
    assert set(POINTS) == {*RULES, *CLIENTS, "FROM_OURS"}
    page = Path(__file__).parents[3] / "docs" / "spam.md"
    lines = dict(re.findall(r"^\| `([A-Z_]+)` \| (-?[0-9.]+) \|", page.read_text(), re.MULTILINE))
    assert {name: float(points) for name, points in lines.items() if name in POINTS} == POINTS


def test_no_rule_makes_junk_by_itself() -> None:
    assert max(POINTS.values()) < 5.0


@given(st.binary(max_size=2_000))
def test_no_message_makes_a_rule_fail(raw: bytes) -> None:
    hits(raw)


PIECES = [
    b"<a", b"<a href=", b"href='http://x@y:1", b"://", b"http://", b">", b"</a", b"From: <",
    b"\r\n", b"Received:", b"by ", b"\r\n\r\n", b"\xe2\x80\x8b", b"a", b"=?utf-8?q?",
    b"Content-Type: text/html\r\n", b"\xd0\xb0b", b"<form", b"xn--", b"@", b".", b"filename=x.exe;",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_pieces_of_messages_make_no_rule_fail(pieces: list[bytes]) -> None:
    hits(b"".join(pieces))


@pytest.mark.parametrize(
    "piece",
    [
        b"<a ",
        b"<a href=",
        b"<a href=http://a>",
        b"://a",
        b"a.",
        b"\xd0\xb0b",
        b"a\xe2\x80\x8b",
        b"<",
    ],
)
def test_hostile_text_takes_no_longer_than_its_size_allows(piece: bytes) -> None:
    head = (
        b"From: a@b.example\r\nSubject: "
        + piece * 100
        + b"\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    )
    raw = head + piece * (200_000 // len(piece))
    started = time.process_time()
    hits(raw)
    assert time.process_time() - started < 1.0

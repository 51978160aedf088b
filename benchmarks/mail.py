"""The messages that all servers are given: the same ones, whoever is measured."""

from __future__ import annotations

import base64
from collections.abc import Iterator

WORDS = [
    "minutes",
    "lunch",
    "invoice",
    "train",
    "harbour",
    "figures",
    "draft",
    "contract",
    "garden",
    "weather",
    "meeting",
    "answer",
    "photographs",
    "budget",
    "printer",
    "schedule",
    "holiday",
    "report",
    "delivery",
    "question",
]
PEOPLE = ("Ada Example", "Grace Example", "Barbara Sample", "Radia Sample", "Frances Test")
LINE = b"The quick brown fox writes a letter to the lazy dog and waits for an answer, twice.\r\n"


def submission(sender: str, recipient: str, size: int = 4096) -> bytes:
    """A plain message of so many bytes."""
    head = (
        f"From: Sender <{sender}>\r\nTo: <{recipient}>\r\nSubject: What we measure\r\n"
        "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\nMessage-ID: <one@client.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    body = LINE * (size // len(LINE) + 1)
    return head + body[: size - len(head) - 2] + b"\r\n"


def collection(count: int) -> Iterator[bytes]:
    """Messages of the shapes that mailboxes hold: text, alternatives, attachments."""
    for number in range(count):
        yield message(number)


def message(number: int) -> bytes:
    """The n-th message of the collection, 1 to 5 KB."""
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 7, 11))
    person = PEOPLE[number % len(PEOPLE)]
    name = person.split(" ", maxsplit=1)[0].lower()
    head = (
        f"Return-Path: <{name}@peer.example>\r\n"
        f"Received: from relay.peer.example (192.0.2.{number % 250}) by mx.demo.test with ESMTPS"
        f" id {number:08x};\r\n\tMon, 23 Nov 2026 09:{number // 60 % 60:02}:{number % 60:02}"
        " +0000\r\n"
        f"From: {person} <{name}@peer.example>\r\n"
        f"To: Ada Example <ada@demo.test>, Team <team-{number % 20}@demo.test>\r\n"
        f"Cc: {PEOPLE[number % 3]} <cc-{number % 30}@peer.example>\r\n"
        f"Subject: Re: {words} {number}\r\n"
        f"Date: Mon, 23 Nov 2026 09:{number // 60 % 60:02}:{number % 60:02} +0000\r\n"
        f"Message-ID: <{number}.bench@peer.example>\r\n"
        f"In-Reply-To: <{number - 1}.bench@peer.example>\r\n"
        f"References: <{number // 8 * 8}.bench@peer.example> <{number - 1}.bench@peer.example>\r\n"
        "User-Agent: Client/1.0\r\nMIME-Version: 1.0\r\n"
    ).encode()
    text = LINE * (8 + number % 9)
    kind = number % 10
    if kind < 5:
        return head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text
    parts = [b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text]
    parts.append(
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p>"
        + text
        + b"</p>\r\n"
    )
    body = _multipart(b"alternative", f"alt-{number}".encode(), parts)
    if kind > 7:
        file = base64.encodebytes(bytes(range(256)) * 4).replace(b"\n", b"\r\n")
        attached = (
            b'Content-Type: application/pdf; name="figures.pdf"\r\nContent-Transfer-Encoding: '
            b'base64\r\nContent-Disposition: attachment; filename="figures.pdf"\r\n\r\n' + file
        )
        body = _multipart(b"mixed", f"mix-{number}".encode(), [body, attached])
    return head + body


def _multipart(kind: bytes, boundary: bytes, parts: list[bytes]) -> bytes:
    inner = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"\r\n\r\n'
    return head + inner + b"--" + boundary + b"--\r\n"

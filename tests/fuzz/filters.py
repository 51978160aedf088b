"""Messages as the scorer and the learner see them, and what daemons answer."""

from __future__ import annotations

import asyncio
import contextlib

from workpost.integrations.spam import clamav, rspamd, spamassassin
from workpost.integrations.spam.base import Judged, ScanFailed
from workpost.operations.filtering.looking import LINKS, Looked
from workpost.operations.filtering.rules import POINTS, Surroundings, check
from workpost.operations.filtering.scan import hits_of
from workpost.operations.filtering.verdicts import write_field
from workpost.operations.filtering.words import WORDS, hash_words, words_of
from workpost.operations.mailflow.envelope import Envelope

ARRIVAL = Envelope(
    sender="ada@sender.example",
    recipients=["grace@demo.test"],
    helo="mail.sender.example",
    peer="192.0.2.1",
)
AROUND = Surroundings(1_795_780_800.0, "mx.demo.test")
ANSWERS = [
    b"stream: Eicar-Test FOUND\0",
    b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 7.5 / 5.0\r\n\r\nGTUBE",
    b'HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n{"action":"reject","score":15.0,'
    b'"required_score":15.0,"symbols":{"A":{}}}',
]


def scored_messages(data: bytes) -> None:
    """Whatever the message: rules of the table, a field of ours, a bounded number of words."""
    looked = Looked(data)
    hits = check(looked, ARRIVAL, AROUND)
    assert all(POINTS[name] == points for name, points in hits)
    field = write_field(sum(points for _, points in hits), 5.0, hits, "PASS")
    assert field.endswith(b"\r\n")
    assert all(len(line) <= 80 for line in field.split(b"\r\n"))
    assert len(looked.links) <= LINKS
    words = words_of(looked)
    assert len(words) == len(set(words)) <= WORDS
    assert len(hash_words(words, b"k" * 32)) == len(words)


def daemon_answers(data: bytes) -> None:
    """A judgement on our scale, or a failure."""
    with contextlib.suppress(ScanFailed):
        name = clamav.parse_answer(data)
        assert name.isascii()
    judged: list[Judged] = []
    with contextlib.suppress(ScanFailed):
        judged.append(spamassassin.parse_answer(data))
    with contextlib.suppress(ScanFailed):
        judged.append(asyncio.run(rspamd.parse_answer(data)))
    for one in judged:
        hits = hits_of(one, "rspamd", 5.0, 3.0)
        assert -10.0 <= hits[0][1] <= 20.0
        assert all(name.isascii() and name.isprintable() for name, _ in hits)

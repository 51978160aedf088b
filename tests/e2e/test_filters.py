"""Spam, viruses and teaching as people meet them: over SMTP and IMAP, on a running server."""

from __future__ import annotations

import json
import smtplib
import sqlite3
import time
from collections.abc import Iterator
from email.policy import SMTP

import pytest

from tests.e2e.conftest import MakeServer
from tests.operations.filtering.corpus import Corpus
from tests.support.filters import EICAR, Clamd
from tests.support.server import Server, command_line, compose

EACH = 12
JUNK = "Junk E-mail"


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    daemon = Clamd()
    yield daemon
    daemon.close()


@pytest.fixture
def server(make_server: MakeServer, clamd: Clamd) -> Server:
    return make_server(
        env={
            "WORKPOST_FILTER__VIRUS": "clamav",
            "WORKPOST_FILTER__VIRUS_DAEMON": clamd.address,
            "WORKPOST_FILTER__LEARN_MINIMUM": str(EACH),
        }
    ).start()


def receive(server: Server, *messages: bytes, to: str = "grace@demo.test") -> None:
    with server.smtp(listener="smtp") as client:
        for raw in messages:
            client.sendmail("x@sender.example", [to], raw)


def subjects(server: Server, user: str, folder: str) -> list[str]:
    with server.imapclient(user) as client:
        client.select_folder(folder, readonly=True)
        uids = client.search()
        found = client.fetch(uids, ["ENVELOPE"]) if uids else {}
        return [one[b"ENVELOPE"].subject.decode() for one in found.values()]


def wait_until_known(server: Server, spam: int, ham: int) -> None:
    """Wait until the server has learned from so many messages."""
    uri = f"file:{server.data / 'store' / 'workpost.db'}?mode=ro"
    deadline = time.monotonic() + 30
    database = sqlite3.connect(uri, uri=True, timeout=30)
    question = "SELECT spam, ham, (SELECT COUNT(*) FROM spam_lesson) FROM spam_model"
    while (found := database.execute(question).fetchall()) != [(spam, ham, 0)]:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    database.close()


def spam(server: Server, verb: str) -> dict[str, int]:
    """What `workpost spam VERB` prints, beside the running server."""
    organization = server.account["organization_id"]
    done = command_line("spam", verb, organization, "--data", str(server.data))
    assert done.returncode == 0, done.stderr
    told: dict[str, int] = json.loads(done.stdout)
    return told


def test_a_virus_is_refused_at_both_doors_and_the_daemons_end_holds_no_mail_up(
    server: Server, clamd: Clamd
) -> None:
    message = compose("ada@demo.test", "grace@demo.test", "A virus")
    message.add_attachment(EICAR, maintype="application", subtype="x-test", filename="a.bin")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        receive(server, message.as_bytes(policy=SMTP))
    assert refused.value.smtp_code == 550
    assert refused.value.smtp_error.startswith(b"5.7.1 The message contains a virus: Eicar-Test")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        server.send("ada", ["grace@demo.test", "bob@elsewhere.example"], message)
    assert refused.value.smtp_error.startswith(b"5.7.1 ")
    assert "A virus" not in subjects(server, "grace", "INBOX")
    clamd.stop()
    try:
        receive(
            server, compose("x@sender.example", "grace@demo.test", "Unseen").as_bytes(policy=SMTP)
        )
    finally:
        clamd.start()
    assert "Unseen" in subjects(server, "grace", "INBOX")
    with server.imapclient("grace") as client:
        client.select_folder("INBOX")
        (raw,) = client.fetch(client.search(["SUBJECT", "Unseen"]), ["BODY[HEADER]"]).values()
    assert b"virus=PROCESSING_FAILED" in raw[b"BODY[HEADER]"]


def test_what_people_move_decides_where_the_next_message_lies(server: Server) -> None:
    corpus = Corpus(seed=4)
    receive(server, *(corpus.unwanted() for _ in range(EACH)))
    with server.imapclient("grace") as client:
        client.select_folder("INBOX")
        uids = client.search(["FROM", ".example"])[-EACH:]
        assert len(uids) == EACH
        # Half as clients with MOVE do it, half as those without.
        client.move(uids[::2], JUNK)
        client.copy(uids[1::2], JUNK)
        client.delete_messages(uids[1::2])
        client.expunge(uids[1::2])
    receive(server, *(corpus.wanted() for _ in range(EACH)), to="ada@demo.test")
    with server.imapclient("ada") as client:
        client.create_folder("Projects")
        client.select_folder("INBOX")
        for uid in client.search()[-EACH:]:
            client.move([uid], "Projects")
    wait_until_known(server, EACH, EACH)
    unwanted, wanted = corpus.unwanted(), corpus.wanted()
    receive(server, unwanted, wanted, to="ada@demo.test")
    (title,) = subjects(server, "ada", JUNK)
    assert f"Subject: {title}".encode() in unwanted
    with server.imapclient("ada") as client:
        client.select_folder(JUNK)
        client.move(client.search(), "INBOX")
    wait_until_known(server, EACH, EACH + 1)
    told = spam(server, "status")
    assert told.pop("Words") > 100
    assert told == {"Spam": EACH, "Ham": EACH + 1, "Waiting": 0}
    assert set(spam(server, "forget").values()) == {0}

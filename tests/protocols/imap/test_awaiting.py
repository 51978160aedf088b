"""The self-test's mail program against the IMAP server: where a message is, if anywhere."""

from __future__ import annotations

import imaplib

import pytest

from workpost.operations.selftest import clients
from workpost.operations.selftest.clients import Failed, await_message

RAW = b"Message-ID: <%b@a.test>\r\nSubject: Hello\r\n\r\nHello\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "SOON", 0.0)
    monkeypatch.setattr(clients, "SECONDS", 0.2)


def put(client: imaplib.IMAP4, folder: str, name: bytes) -> bytes:
    raw = RAW % name
    assert client.append(f'"{folder}"', "", "", raw)[0] == "OK"
    client.select("INBOX")
    return raw


def test_a_message_in_the_inbox_is_read(client: imaplib.IMAP4) -> None:
    raw = put(client, "INBOX", b"inbox")
    assert await_message(client, "<inbox@a.test>") == raw


def test_a_message_that_was_taken_for_junk_is_found_there(client: imaplib.IMAP4) -> None:
    put(client, clients.JUNK, b"junk")
    with pytest.raises(Failed, match="taken for junk"):
        await_message(client, "<junk@a.test>")


def test_a_message_that_is_nowhere(client: imaplib.IMAP4) -> None:
    put(client, "INBOX", b"other")
    with pytest.raises(Failed, match="not in INBOX"):
        await_message(client, "<nowhere@a.test>")

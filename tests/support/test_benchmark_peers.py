"""Postfix and Dovecot, as the benchmarks start them, do what they are measured at."""

from __future__ import annotations

import imaplib
import os
import shutil
import smtplib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import peers

pytestmark = [
    pytest.mark.peer("dovecot"),
    pytest.mark.peer("doveadm"),
    pytest.mark.peer("postfix"),
    pytest.mark.peer("openssl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix and Dovecot need root to change users"),
]
MESSAGE = b"From: grace@demo.test\r\nSubject: Lunch\r\n\r\nFrom here to there?\r\n"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not tmp_path: its long name does not fit a Unix socket's.
    made = Path(tempfile.mkdtemp(prefix="wp-peers-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module", params=["sdbox", "maildir"])
def dovecot(folder: Path, request: pytest.FixtureRequest) -> Iterator[peers.Dovecot]:
    server = peers.Dovecot(folder / request.param, request.param)
    yield server
    server.close()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_dovecot_serves_the_messages_it_was_loaded_with(dovecot: peers.Dovecot) -> None:
    assert dovecot.load([MESSAGE] * 3) == 3
    with imaplib.IMAP4_SSL("127.0.0.1", dovecot.imaps_port, ssl_context=unverified()) as client:
        client.login(peers.USER, peers.PASSWORD)
        assert client.select()[1] == [b"3"]
        assert b"Subject: Lunch" in str(client.fetch("1", "(BODY[HEADER])")[1]).encode()


def test_postfix_queues_what_an_authenticated_client_submits(
    folder: Path, dovecot: peers.Dovecot
) -> None:
    server = peers.Postfix(folder / f"postfix-{dovecot.imap_port}", dovecot)
    try:
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.starttls(context=unverified())
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("ada@demo.test", ["grace@demo.test"], MESSAGE)
            client.login(peers.USER, peers.PASSWORD)
            client.sendmail("ada@demo.test", ["grace@demo.test"], MESSAGE)
        assert server.queued() == 1
    finally:
        server.close()

"""Ugly mail is accepted, kept byte for byte, and shown to clients without an error."""

from __future__ import annotations

import smtplib

import pytest

from tests.e2e.conftest import MakeServer
from tests.fuzz.ugly import UGLY
from tests.support.server import Server

FOLDERS = ("INBOX", "Junk E-mail")


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    return make_server(env={"WORKPOST_PROCESSES__FRONT_ENDS": "1"}).start()


def test_whatever_comes_in_can_be_read_as_it_came(server: Server) -> None:
    sent: dict[str, bytes] = {}
    with server.smtp(listener="smtp") as client:
        client.ehlo("outside.example")
        for name, raw in UGLY.items():
            whole = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
            client.mail("bob@outside.example")
            client.rcpt("grace@demo.test")
            code, said = client.data(whole)
            assert code == 250, (name, said)
            sent[name] = whole
    with server.imapclient("grace") as client:
        found = []
        for folder in FOLDERS:
            client.select_folder(folder, readonly=True)
            uids = client.search()
            wanted = ["BODY.PEEK[]", "ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "BODY.PEEK[TEXT]"]
            for row in client.fetch(uids, wanted).values() if uids else ():
                assert len(row[b"BODY[]"]) == row[b"RFC822.SIZE"]
                found.append(row[b"BODY[]"])
            client.search(["TEXT", "hello"])
    for name, whole in sent.items():
        # Ours stand on top; a forged result in our name is taken out.
        kept = whole.partition(b"\r\n\r\n")[2] if name == "forged trace fields" else whole
        assert sum(raw.endswith(kept) for raw in found) >= 1, name


def test_a_line_end_that_is_none_is_refused_whole(server: Server) -> None:
    with server.smtp(listener="smtp") as client:
        client.ehlo("outside.example")
        for raw in (b"Subject: x\r\n\r\na\nb\r\n", b"Subject: x\r\n\r\na\rb\r\n"):
            client.mail("bob@outside.example")
            client.rcpt("grace@demo.test")
            client.putcmd("DATA")
            assert client.getreply()[0] == 354
            client.send(raw + b".\r\n")
            code, _ = client.getreply()
            assert 500 <= code < 600
        client.send(b"NOOP\nQUIT\r\n")
        assert client.getreply()[0] >= 500
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.getreply()

"""Personal rules as people meet them: written over ManageSieve, felt over SMTP and IMAP."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from email.policy import SMTP

from tests.support.managesieve import Wire, plain
from tests.support.server import Server, command_line, compose

SCRIPT = """require ["fileinto", "imap4flags", "mailbox", "editheader", "vacation", "variables"];
if header :matches "Subject" "*invoice*" {
    addheader "X-Rule" "invoice";
    fileinto :create :flags ["\\\\Flagged", "$Paid"] "Money/Invoices";
} else {
    vacation :subject "Away" "I am away.";
}
"""


@contextlib.contextmanager
def rules(server: Server, user: str) -> Iterator[Wire]:
    """A ManageSieve session that is logged in over TLS."""
    host, port = server.address("managesieve")
    wire = Wire((host, port))
    try:
        wire.start_tls(server.tls)
        name = f"{user}@{server.account['domain']}"
        wire.ok(f'AUTHENTICATE "PLAIN" "{plain(name, server.password(user))}"')
        yield wire
    finally:
        wire.close()


def wait_for(server: Server, user: str, folder: str, subject: str) -> None:
    deadline = time.monotonic() + 30
    with server.imapclient(user) as client:
        while True:
            client.select_folder(folder, readonly=True)
            if client.search(["SUBJECT", subject]):
                return
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_script_files_flags_edits_and_answers(server: Server) -> None:
    with rules(server, "grace") as wire:
        assert wire.put("mine", SCRIPT)[-1].startswith(b"OK")
        wire.ok('SETACTIVE "mine"')
    server.send(
        "ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "invoice 7")
    )
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "hello"))
    wait_for(server, "grace", "Money/Invoices", "invoice 7")
    with server.imapclient("grace") as client:
        client.select_folder("Money/Invoices")
        [(_, found)] = client.fetch(client.search(), ["FLAGS", "BODY[HEADER]"]).items()
        assert {b"\\Flagged", b"$Paid"} <= set(found[b"FLAGS"])
        assert b"X-Rule: invoice" in found[b"BODY[HEADER]"]
        client.select_folder("INBOX")
        assert client.search(["SUBJECT", "hello"])
        assert not client.search(["SUBJECT", "invoice"])
    wait_for(server, "ada", "INBOX", "Away")
    with rules(server, "grace") as wire:
        wire.ok('SETACTIVE ""')


def test_a_stranger_hears_the_refusal_in_smtp(server: Server) -> None:
    with rules(server, "grace") as wire:
        wire.put("no", 'require "reject"; reject "Not today";')
        wire.ok('SETACTIVE "no"')
    raw = compose("x@sender.example", "grace@demo.test", "refused").as_bytes(policy=SMTP)
    with server.smtp(listener="smtp") as client:
        client.ehlo("sender.example")
        client.mail("x@sender.example")
        client.rcpt("grace@demo.test")
        code, text = client.data(raw)
    assert code == 550
    assert b"Not today" in text
    with rules(server, "grace") as wire:
        wire.ok('SETACTIVE ""')


def test_out_of_office_is_set_beside_the_running_server(server: Server) -> None:
    arguments = ["--internal", "In Oslo.", "--data", str(server.data)]
    done = command_line("out-of-office", "set", "grace@demo.test", *arguments, env=server.env)
    assert done.returncode == 0, done.stderr
    message = compose("ada@demo.test", "grace@demo.test", "where")
    server.send("ada", ["grace@demo.test"], message)
    wait_for(server, "ada", "INBOX", "Auto: where")
    done = command_line(
        "out-of-office", "off", "grace@demo.test", "--data", str(server.data), env=server.env
    )
    assert done.returncode == 0, done.stderr

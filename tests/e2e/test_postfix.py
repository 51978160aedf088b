"""Postfix as the other server, in both directions over TLS, beside a whole server of ours."""

from __future__ import annotations

import json
import re
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import dkim
import pytest

from tests.support.dns import DnsServer
from tests.support.dns_thread import threaded_dns
from tests.support.installation import HOST, Installation, secret, zone_of
from tests.support.outside import Authority
from tests.support.postfix import Postfix, require_postfix
from tests.support.server import Server, command_line
from workpost.store.tables.dkim_keys import ACTIVE

GRACE = "grace@example.test"
FAR = "mx1.example.test"

pytestmark = [pytest.mark.e2e, pytest.mark.peer("postfix")]


class Office:
    """example.org here, example.test at Postfix, and the DNS between them."""

    def __init__(self, folder: Path, zone: DnsServer, where: str) -> None:
        self.zone = zone
        self.made = Installation(folder)
        said = self.made.quickstart()
        self.password = secret(said, "password")
        self.organization = re.search("m-[0-9a-f]{32}", said)[0]  # type: ignore[index]
        zone.records |= zone_of(said)
        zone.records |= {
            ("MX", "example.test"): [f"10 {FAR}"],
            ("A", FAR): ["127.0.0.1"],
            ("TXT", "example.test"): ["v=spf1 ip4:127.0.0.1 -all"],
            ("TXT", "_dmarc.example.test"): ["v=DMARC1; p=reject"],
            ("PTR", "1.0.0.127.in-addr.arpa"): [FAR],
        }
        authority = Authority(folder)
        authority.context_for(FAR)
        self.made.env = {
            "WORKPOST_DNS__SERVERS": where,
            "WORKPOST_PROCESSES__FRONT_ENDS": "1",
            "WORKPOST_AUTHENTICATION__TRUSTED_NETWORKS": "198.51.100.0/24",
            "WORKPOST_OUTBOUND__TLS": "example.test=encrypt",
        }
        self.certificate = folder / f"{FAR}.pem"
        self.server: Server | None = None

    def start(self, postfix: Postfix) -> Server:
        self.made.env["WORKPOST_OUTBOUND__ROUTES"] = f"example.test=127.0.0.1:{postfix.port}"
        self.server = self.made.server().start()
        self._until_signing()
        return self.server

    def _until_signing(self) -> None:
        """Keys are used once a job has seen them in the DNS: mail before that is unsigned."""
        show = ("domain", "dkim", "show", self.organization, "example.org")
        until = time.monotonic() + 60
        while True:
            told = command_line(*show, "--config", str(self.made.config), env=self.made.env)
            states = [key["State"] for key in json.loads(told.stdout)["Keys"]]
            if states == [ACTIVE, ACTIVE]:
                return
            assert time.monotonic() < until, states

    def send(self, to: str, subject: str) -> None:
        assert self.server is not None
        with self.server.smtp("ada@example.org", self.password) as client:
            client.send_message(letter("ada@example.org", to, subject))

    def inbox(self) -> list[bytes]:
        assert self.server is not None
        with self.server.imapclient("ada@example.org", self.password) as client:
            client.select_folder("INBOX", readonly=True)
            return [row[b"BODY[]"] for row in client.fetch(client.search(), ["BODY[]"]).values()]

    def wait(self, count: int) -> list[bytes]:
        deadline = time.monotonic() + 30
        while len(found := self.inbox()) < count:
            assert time.monotonic() < deadline, self.server.last_words
            time.sleep(0.1)
        return found


def letter(sender: str, to: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Message-ID"] = f"<{time.monotonic_ns()}@{sender.partition('@')[2]}>"
    message["Date"] = "Fri, 27 Nov 2026 10:00:00 +0000"
    message.set_content("Dear reader,\n\n.a line that begins with a dot\n\nyours\n")
    return message


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    require_postfix()
    with threaded_dns() as (zone, where):
        made = Office(tmp_path, zone, where)
        yield made
        if made.server is not None:
            made.server.kill()


def test_mail_goes_out_signed_and_comes_in_checked_over_tls(office: Office) -> None:
    relaying = (
        "smtpd_relay_restrictions = permit_mynetworks, reject",
        "smtp_tls_security_level = encrypt",
        "smtp_dns_support_level = disabled",
    )
    postfix = Postfix(office.certificate, [GRACE], *relaying)
    try:
        server = office.start(postfix)
        _goes_out_signed(office, postfix)
        _failure_is_reported(office)
        _comes_in_checked(office, postfix, server)
    finally:
        postfix.close()


def _goes_out_signed(office: Office, postfix: Postfix) -> None:
    office.send(GRACE, "out")
    [stored] = postfix.wait(GRACE)
    head = stored.partition(b"\n\n")[0]
    assert b"using TLSv1" in head
    assert b"Return-Path: <ada@example.org>" in head
    # As it was on the wire, without what Postfix has put on top.
    wire = stored[stored.index(b"DKIM-Signature:") :].replace(b"\n", b"\r\n")
    zone = office.zone.records

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        plain = name.decode().removesuffix(".")
        alias = zone.get(("CNAME", plain), [plain])[0].removesuffix(".")
        texts = zone.get(("TXT", alias.lower()))
        return texts[0].encode() if texts else None

    for number in range(2):
        assert dkim.DKIM(wire).verify(idx=number, dnsfunc=ask)


def _failure_is_reported(office: Office) -> None:
    office.send("nobody@example.test", "into the void")
    [report] = office.wait(1)
    assert b"Action: failed" in report
    assert b"Final-Recipient: rfc822;nobody@example.test" in report.replace(b"; ", b";")
    assert b"into the void" in report


def _comes_in_checked(office: Office, postfix: Postfix, server: Server) -> None:
    host, port = server.address("smtp")
    postfix.configure(f"relayhost = [{host}]:{port}")
    raw = letter(GRACE, "ada@example.org", "in").as_bytes(policy=SMTP)
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        client.sendmail(GRACE, ["ada@example.org"], raw)
    got = office.wait(2)[-1]
    assert got.endswith(raw), "what was sent is kept byte for byte"
    head = got[: -len(raw)]
    assert head.startswith(f"Return-Path: <{GRACE}>\r\n".encode())
    assert f"Authentication-Results: {HOST};".encode() in head
    assert b"spf=pass" in head
    assert b"dmarc=pass" in head
    assert b"with ESMTPS" in head
    assert b"TLSv1" in head

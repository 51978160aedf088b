"""Postfix at the far end, over TLS that is checked, found in a DNS of ours."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.operations.outbound.conftest import Sender, make_mail, trusting
from tests.operations.outbound.test_dane import Chain
from tests.support.dns import DnsServer
from tests.support.outside import Authority
from tests.support.postfix import Postfix, require_postfix
from workpost.integrations.dns.real import DnsResolver
from workpost.integrations.smtp.base import MailRecipient

HOST = "mx1.example.test"
GRACE, HEDY, ZOE = "grace@example.test", "hedy@example.test", "zoë@example.test"
LISE, MARY = "lise@example.test", "mary@example.test"

pytestmark = pytest.mark.peer("postfix")


@pytest.fixture(scope="module")
def chain(authority: Authority) -> Chain:
    return Chain(authority, HOST)


@pytest.fixture(scope="module")
def postfix(authority: Authority, chain: Chain) -> Iterator[Postfix]:
    require_postfix()
    certificate = authority.file.parent / f"{HOST}-chain.pem"
    server = Postfix(certificate, [GRACE, HEDY, ZOE, LISE, MARY], "message_size_limit = 2000000")
    yield server
    server.close()


@pytest.fixture
def far(dns: DnsServer, authority: Authority, postfix: Postfix) -> Sender:
    """A sender that finds Postfix in a signed DNS."""
    dns.records = {
        ("MX", "example.test"): [f"10 {HOST}"],
        ("A", HOST): ["127.0.0.1"],
    }
    dns.secure = {"example.test"}
    sender = Sender(allow=("127.0.0.0/8",), **trusting(authority))
    sender.core.resolver = DnsResolver([dns._transport.get_extra_info("sockname")])
    return sender.open(smtp_port=postfix.port)


def body_of(stored: bytes) -> bytes:
    return stored.partition(b"\n\n")[2].replace(b"\n", b"\r\n")


async def test_mail_over_dane_arrives_as_it_is(
    far: Sender, dns: DnsServer, postfix: Postfix, chain: Chain
) -> None:
    dns.records["TLSA", f"_{postfix.port}._tcp.{HOST}"] = [chain.record(3, 1, 1)]
    body = b".\r\n..\r\n" + b"x" * 900 + b"\r\nFrom here\r\n" + "é".encode() * 40 + b"\r\n"
    content = b"From: ada@demo.test\r\nTo: grace@example.test\r\nSubject: 1\r\n\r\n" + body
    (outcome,) = await far.send(MARY, content=content, body="8BITMIME")
    assert (outcome.state, outcome.host, outcome.dsn) == ("delivered", HOST, True)
    assert outcome.tls.endswith(" DANE")
    assert outcome.text.startswith("250 2.0.0 Ok: queued as ")
    stored = postfix.wait(MARY)[0]
    assert body_of(stored) == body
    assert b"using TLSv1.3" in stored


async def test_verified_and_wrong_certificates(
    far: Sender, postfix: Postfix, stranger: Authority, dns: DnsServer
) -> None:
    far.set(tls=("*=verify",))
    (outcome,) = await far.send(GRACE)
    assert (outcome.state, outcome.tls.endswith(" verified")) == ("delivered", True)
    await far.transport.close()
    far.set(**trusting(stranger))
    assert (await far.send(GRACE))[0].state == "deferred"
    far.set(tls=())
    dns.records["TLSA", f"_{postfix.port}._tcp.{HOST}"] = ["3 1 1 " + "ab" * 32]
    assert (await far.send(GRACE))[0].status == "4.7.5"


async def test_each_recipient_gets_the_answer_that_was_its_own(
    far: Sender, postfix: Postfix
) -> None:
    before = len(postfix.mail(HEDY))
    outcomes = await far.send("nobody@example.test", HEDY, "eve@elsewhere.test", GRACE)
    assert [each.state for each in outcomes] == ["failed", "delivered", "failed", "delivered"]
    assert [each.status for each in outcomes[:3]] == ["5.1.1", "2.0.0", "5.7.1"]
    assert "User unknown" in outcomes[0].text
    postfix.wait(HEDY, before + 1)


async def test_many_messages_over_one_session(far: Sender, postfix: Postfix) -> None:
    for number in range(20):
        content = f"From: ada@demo.test\r\nSubject: {number}\r\n\r\n{number}\r\n".encode()
        assert (await far.send(LISE, content=content))[0].state == "delivered"
    stored = postfix.wait(LISE, 20)
    assert {body_of(each) for each in stored} == {b"%d\r\n" % n for n in range(20)}


async def test_nobody_accepted_leaves_the_session_as_it_was(far: Sender) -> None:
    assert (await far.send("nobody@example.test"))[0].state == "failed"
    assert (await far.send(GRACE))[0].state == "delivered"


async def test_addresses_in_utf8(far: Sender, postfix: Postfix) -> None:
    before = len(postfix.mail(ZOE))
    (outcome,) = await far.send(ZOE, smtputf8=True, content="Subject: é\r\n\r\nx\r\n".encode())
    assert outcome.state == "delivered"
    postfix.wait(ZOE, before + 1)


async def test_a_message_over_its_size(far: Sender) -> None:
    (outcome,) = await far.send(GRACE, content=b"A: 1\r\n\r\n" + b"x" * 76 * 30_000)
    assert (outcome.state, outcome.status) == ("failed", "5.3.4")
    (outcome,) = await far.send(GRACE, content=b"A: 1\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000)
    assert outcome.state == "delivered"


async def test_wishes_about_reports_are_understood(far: Sender) -> None:
    wish = MailRecipient(1, GRACE, ("NEVER",), "rfc822;grace+2Bold@old.test")
    mail = make_mail(sender="", ret="HDRS", envid="QQ314+3D159")
    outcomes = await far.transport.attempt(
        "example.test", msgspec.structs.replace(mail, recipients=[wish])
    )
    assert outcomes[0].state == "delivered"


async def test_requiretls_which_postfix_has_not(far: Sender) -> None:
    (outcome,) = await far.send(GRACE, requiretls=True)
    assert (outcome.state, outcome.status) == ("failed", "5.7.30")

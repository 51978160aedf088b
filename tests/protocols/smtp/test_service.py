"""What mail flow is told of a transaction: RFC 3461, 8689, 6152, and who the client is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.mails import received
from tests.support.directories import PASSWORD, Directory, bare_core
from tests.support.mailboxes import house, mail_core, message
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import AccessDenied, UnknownRecipient
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope, Wish
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.runner import deliver_one
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Peer, Recipient, Refused, Role, Transaction
from workpost.protocols.smtp.wire.paths import Address

__all__ = ["bare_core", "house", "mail_core"]

ADA, GRACE = Address("ada", "demo.test"), Address("grace", "demo.test")
PEER = Peer("192.0.2.1", 4711)


def transaction(role: Role = Role.MX, **more: Any) -> Transaction:
    chosen = {"tls": None, "login": None, "sender": Address("bob", "b.test"), **more}
    return Transaction(PEER, role, "client.b.test", True, **chosen)


@pytest.fixture
def service(house: Directory) -> MailFlowService:
    resolver = MemoryResolver(
        {
            ("PTR", "1.2.0.192.in-addr.arpa"): ["mail.b.test"],
            ("A", "mail.b.test"): ["192.0.2.1"],
        }
    )
    return MailFlowService(msgspec.structs.replace(house.core, resolver=resolver))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Envelope]:
    """The envelopes that mail flow gets; it goes on with them."""
    envelopes = []
    for name in ("receive", "submit"):
        real = getattr(pipeline, name)

        async def remembering(*args: Any, _real: Any = real, **more: Any) -> str:
            envelopes.append(next(each for each in args if isinstance(each, Envelope)))
            trace: str = await _real(*args, **more)
            return trace

        monkeypatch.setattr(pipeline, name, remembering)
    return envelopes


async def deliver(
    service: MailFlowService, mail: Transaction, *recipients: Recipient, raw: bytes = b""
) -> Any:
    await service.mail_from(mail)
    for recipient in recipients:
        await service.rcpt_to(mail, recipient)
        mail.recipients.append(recipient)
    return await service.message(mail, raw or message())


async def test_received_names_the_client_that_its_dns_confirms(
    house: Directory, service: MailFlowService
) -> None:
    await deliver(service, transaction(), Recipient(ADA))
    (raw,) = await received(house, "ada@demo.test")
    assert b"Received: from client.b.test (mail.b.test [192.0.2.1])\r\n" in raw


async def test_the_parameters_of_dsn_and_requiretls_arrive(
    service: MailFlowService, told: list[Envelope]
) -> None:
    mail = transaction(tls="TLSv1.3", ret="HDRS", envid="QQ+2B1", requiretls=True)
    await deliver(
        service,
        mail,
        Recipient(ADA, None, ("SUCCESS", "DELAY"), "rfc822;Ada@demo.test"),
        Recipient(GRACE),
    )
    (envelope,) = told
    assert (envelope.ret, envelope.envid, envelope.requiretls) == ("HDRS", "QQ+2B1", True)
    assert envelope.wishes == {"ada@demo.test": Wish(("SUCCESS", "DELAY"), "rfc822;Ada@demo.test")}


async def test_what_is_submitted_for_later_reaches_nobody_before_rfc4865(
    house: Directory, service: MailFlowService
) -> None:
    login = await service.authenticate(
        Peer("127.0.0.1", 1), "ada@demo.test", PASSWORD.encode(), "PLAIN"
    )
    now = house.core.env.now()
    for until in (now + 3_600_000, now - 1):
        mail = transaction(
            Role.SUBMISSION, login=login, sender=ADA, tls="TLSv1.3", hold_until=until
        )
        await deliver(service, mail, Recipient(GRACE))
    # What was for a moment that is over is there at once.
    assert len(await received(house, "grace@demo.test")) == 1
    assert not await deliver_one(house.core)
    await house.change("UPDATE queue_rcpt SET due = 0")
    assert await deliver_one(house.core)
    assert len(await received(house, "grace@demo.test")) == 2


async def test_what_people_submit_keeps_their_wishes(
    service: MailFlowService, told: list[Envelope]
) -> None:
    login = await service.authenticate(
        Peer("127.0.0.1", 1), "ada@demo.test", PASSWORD.encode(), "PLAIN"
    )
    mail = transaction(Role.SUBMISSION, login=login, sender=ADA, tls="TLSv1.3")
    elsewhere = Recipient(Address("eve", "far.test"), None, ("NEVER",))
    await deliver(service, mail, elsewhere)
    assert told[0].wishes == {"eve@far.test": Wish(("NEVER",))}
    assert told[0].client_name == ""


@pytest.mark.parametrize(
    ("declared", "body", "true"),
    [
        ("7BIT", b"plain\r\n", "7BIT"),
        ("8BITMIME", b"plain\r\n", "8BITMIME"),
        ("7BIT", "schön\r\n".encode(), "8BITMIME"),
    ],
)
async def test_rfc_6152_body_is_what_the_message_holds(
    service: MailFlowService, told: list[Envelope], declared: str, body: bytes, true: str
) -> None:
    raw = message() + body
    await deliver(service, transaction(body=declared), Recipient(ADA), raw=raw)
    assert told[0].body == true


# --- LMTP -----------------------------------------------------------------------------------------


async def disable(house: Directory, name: str) -> None:
    await house.change("DELETE FROM address WHERE addr_fold = ?", f"{name}@demo.test")


async def test_rfc_2033_who_left_after_rcpt_is_refused_alone(
    house: Directory, service: MailFlowService
) -> None:
    mail = transaction(Role.LMTP)
    for address in (ADA, GRACE):
        recipient = Recipient(address)
        await service.rcpt_to(mail, recipient)
        recipient.notes = None  # as if that were long ago
        mail.recipients.append(recipient)
    await disable(house, "ada")
    accepted = await service.message(mail, message())
    assert [(number, each.code) for number, each in accepted.refused.items()] == [(0, 550)]
    assert len(await received(house, "grace@demo.test")) == 1
    # Who hands it over tells the sender: a report of ours would be the second.
    assert await list_queue(house.core) == []


async def test_rfc_2033_when_all_have_left_there_is_no_message(
    house: Directory, service: MailFlowService
) -> None:
    mail = transaction(Role.LMTP)
    recipient = Recipient(ADA)
    await service.rcpt_to(mail, recipient)
    recipient.notes = None
    mail.recipients.append(recipient)
    await disable(house, "ada")
    with pytest.raises(Refused, match="any more"):
        await service.message(mail, message())


async def test_rfc_3848_lmtp_over_a_unix_socket_has_no_address(
    house: Directory, service: MailFlowService
) -> None:
    mail = transaction(Role.LMTP)
    mail.peer = Peer("", 0)
    await deliver(service, mail, Recipient(ADA))
    (raw,) = await received(house, "ada@demo.test")
    assert b"Received: from client.b.test\r\n\tby " in raw
    assert b" with LMTP id " in raw


# --- our own name ---------------------------------------------------------------------------------


async def test_rfc_5321_4_5_1_answers_to_our_reports_reach_the_postmaster(
    house: Directory, service: MailFlowService
) -> None:
    """Reports come from postmaster@ the server's own name, which need not be a mail domain."""
    own = Address("Postmaster", house.core.settings.host_name.upper())
    login = await service.authenticate(
        Peer("127.0.0.1", 1), "ada@demo.test", PASSWORD.encode(), "PLAIN"
    )
    with pytest.raises(UnknownRecipient):  # nobody has that duty yet
        await service.rcpt_to(transaction(), Recipient(own))
    await house.user("postmaster")
    await deliver(service, transaction(), Recipient(own))
    await deliver(service, transaction(Role.LMTP), Recipient(own))
    answer = transaction(Role.SUBMISSION, login=login, sender=ADA, tls="TLSv1.3")
    await deliver(service, answer, Recipient(own))
    assert len(await received(house, "postmaster@demo.test")) == 3
    assert await list_queue(house.core) == []


async def test_other_addresses_of_our_own_name_are_not_here(
    house: Directory, service: MailFlowService
) -> None:
    other = Recipient(Address("ada", house.core.settings.host_name))
    with pytest.raises(AccessDenied):
        await service.rcpt_to(transaction(), other)


async def test_a_server_named_like_its_mail_domain_has_that_domains_postmaster(
    house: Directory,
) -> None:
    settings = msgspec.structs.replace(house.core.settings, hostname="demo.test")
    service = MailFlowService(msgspec.structs.replace(house.core, settings=settings))
    with pytest.raises(UnknownRecipient, match=r"<postmaster@demo\.test>"):
        await service.rcpt_to(transaction(), Recipient(Address("postmaster", "demo.test")))

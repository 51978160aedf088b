"""Flow rules as strangers meet them over SMTP and people see them over IMAP."""

from __future__ import annotations

import asyncio
import re
import smtplib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.operations.mailflow.rulings import add_rule
from tests.support.directories import Directory, bare_core
from tests.support.mailboxes import house, mail_core
from tests.support.post_office import JUNK, PostOffice, post_office
from tests.support.rule_functions import FUNCTION, Event, http_function, run_functions, say
from tests.support.stores import Run
from workpost.domain.organizations import flow_rule_shell as flow_rules_shell
from workpost.domain.organizations import flow_rules
from workpost.domain.organizations.flow_rules import INBOUND
from workpost.domain.organizations.journaling import Journaling, set_journaling
from workpost.operations.mailflow.listing import list_queue
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role

__all__ = ["bare_core", "house", "mail_core"]

MAIL = b"From: Bob <bob@author.example>\r\nSubject: Engines\r\n\r\nHello\r\n"
BOTH = ("grace@demo.test", "ada@demo.test")


@pytest.fixture
def office(run: Run[Any], house: Directory) -> Iterator[PostOffice]:
    with post_office(run, house) as office:
        yield office


async def test_a_function_is_asked_about_mail_over_smtp_and_lmtp(office: PostOffice) -> None:
    def answer(event: Event) -> list[Any]:
        return [say("BOUNCE", "ada@demo.test", reason="Not today."), say("MOVE_TO_JUNK")]

    with http_function(office.house) as function:
        function.answer = answer
        await add_rule(
            office.house, INBOUND, flow_rules.LAMBDA, function=FUNCTION, fallback=flow_rules.DROP
        )
        lmtp = SmtpServer(
            MailFlowService(office.core),
            ListenerOptions(Role.LMTP, "lmtp.demo.test"),
            Shared(),
            certificates=None,
        )
        bound = socket.create_server(("127.0.0.1", 0))
        await lmtp.start([bound])
        assert (await office.send(MAIL, *BOTH))[0] == 250
        assert await asyncio.to_thread(deliver, bound.getsockname()[1], MAIL) == [250, 250]
        assert await office.read(JUNK) == []
        await run_functions(office.house)
        assert len(await office.read(JUNK)) == 2
        assert len(function.events) == 2
        assert await office.read() == await office.read("INBOX", "ada@demo.test") == []
        waiting = [one["recipient"] for one in await list_queue(office.core)]
        assert waiting == ["bob@author.example"] * 2
        await lmtp.stop(1)


def deliver(port: int, raw: bytes) -> list[int]:
    """The replies, one for each recipient, of a delivery over LMTP."""
    with smtplib.LMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo()
        client.mail("bob@author.example")
        for each in BOTH:
            client.rcpt(each)
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(raw + b".\r\n")
        return [client.getreply()[0] for _ in BOTH]


async def test_only_a_report_as_it_left_is_not_journaled(office: PostOffice) -> None:
    """The archive is a mailbox here, which IMAP shows; strangers bring what it holds over SMTP."""
    wanted = Journaling("grace@demo.test", "ada@demo.test")
    await set_journaling(office.core, office.house.grant, wanted)
    assert (await office.send(MAIL, "ada@demo.test"))[0] == 250
    (report,) = await office.read()
    assert (await office.send(report, "ada@demo.test"))[0] == 250
    assert len(await office.read()) == 1
    (own,) = re.findall(rb"\r\nMessage-ID: (<journal\.[^>]+>)\r\n", report)
    forged = [b"Message-ID: " + own + b"\r\n" + MAIL, report.replace(b"Hello", b"Secret")]
    for count, raw in enumerate(forged, 2):
        assert (await office.send(raw, "ada@demo.test"))[0] == 250
        assert len(await office.read()) == count


async def test_rules_act_after_the_message_is_taken(office: PostOffice) -> None:
    office.dns.records = {("TXT", "author.example"): ["v=spf1 ip4:127.0.0.0/8 -all"]}
    await add_rule(office.house, INBOUND, flow_rules.DROP, "author.example", "grace@demo.test")
    junk = await add_rule(office.house, INBOUND, flow_rules.JUNK, "*.example", "ada@demo.test")
    assert (await office.send(MAIL, *BOTH))[0] == 250
    assert await office.read() == []
    assert await office.read(JUNK) == []
    assert len(await office.read(JUNK, "ada@demo.test")) == 1
    core, grant = office.core, office.house.grant
    await flow_rules_shell.delete(core, grant, INBOUND, junk)
    await add_rule(office.house, INBOUND, flow_rules.BOUNCE, "*", "demo.test")
    assert (await office.send(MAIL, *BOTH))[0] == 250
    assert await office.read() == await office.read("INBOX", "ada@demo.test") == []
    (report,) = await list_queue(core)
    assert (report["sender"], report["recipient"]) == ("", "bob@author.example")

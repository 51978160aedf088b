"""Routing as servers and people see it: written to by SMTP, read by IMAP."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.directories import PASSWORD, Directory, bare_core
from tests.support.mailboxes import house, mail_core
from tests.support.stores import Run
from workpost.domain.access import shell as access
from workpost.domain.directory import mail_routing, sending_limits
from workpost.domain.directory import shell as directory
from workpost.domain.directory.entities import Props
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.operations.mailflow.listing import list_queue
from workpost.protocols.imap.server import ImapServer
from workpost.protocols.imap.server import ListenerOptions as ImapOptions
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role

__all__ = ["bare_core", "house", "mail_core"]

BOB = "bob@elsewhere.example"
RAW = b"From: %s\r\nSubject: Hello\r\n%s\r\nGood morning.\r\n"


@dataclass
class Office:
    """A server with an MX, a submission and an IMAP port."""

    house: Directory
    mx: int
    submission: int
    imap: int

    async def set(self, command: Any, **values: Any) -> None:
        await self.house.core.store.write(command, grant=self.house.grant, **values)

    async def deliver(
        self, *rcpts: str, sender: str = "al@far.example", header: bytes = b""
    ) -> list[tuple[int, bytes]]:
        """Bring a message to the MX: a reply for each recipient, then that for the message."""
        return await asyncio.to_thread(self._send, self.mx, None, sender, rcpts, header)

    async def submit(self, who: str, *rcpts: str) -> list[tuple[int, bytes]]:
        """The same as a person who logs in."""
        sender = f"{who}@demo.test"
        return await asyncio.to_thread(self._send, self.submission, sender, sender, rcpts, b"")

    @staticmethod
    def _send(
        port: int, login: str | None, sender: str, rcpts: tuple[str, ...], header: bytes
    ) -> list[tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            if login:
                client.login(login, PASSWORD)
            client.mail(sender)
            replies = [client.rcpt(one) for one in rcpts]
            if any(code == 250 for code, _ in replies):
                replies.append(client.data(RAW % ((sender or "x@y.example").encode(), header)))
            return replies

    async def inbox(self, who: str) -> list[bytes]:
        """What a person reads."""
        return await asyncio.to_thread(self._read, f"{who}@demo.test")

    def _read(self, who: str) -> list[bytes]:
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=30) as client:
            client.login(who, PASSWORD)
            client.select()
            _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
            return [one[1] for one in found if isinstance(one, tuple)]


@pytest.fixture
def office(run: Run[Any], house: Directory) -> Iterator[Office]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    service, shared = MailFlowService(house.core), Shared()

    async def start() -> list[Any]:
        made: list[Any] = [
            SmtpServer(
                service, ListenerOptions(Role.MX, "mail.demo.test"), shared, certificates=None
            ),
            SmtpServer(
                service,
                ListenerOptions(Role.SUBMISSION, "mail.demo.test", plaintext_auth=True),
                shared,
                certificates=None,
            ),
            ImapServer(
                house.core, access, ImapOptions(plaintext_auth=True), shared, certificates=None
            ),
        ]
        for server, bound in zip(made, sockets, strict=True):
            await server.start([bound])
        return made

    servers = run(start())
    yield Office(house, *(bound.getsockname()[1] for bound in sockets))
    for server in servers:
        run(server.stop(1))


def codes(replies: list[tuple[int, bytes]]) -> list[int]:
    return [code for code, _ in replies]


async def test_forwarded_mail_is_read_where_it_went_and_bounces_come_back(office: Office) -> None:
    house = office.house
    await office.set(mail_routing.set_forwarding, identifier="grace", address=BOB, keep_copy=False)
    await office.set(mail_routing.set_forwarding, identifier="ada", address="grace@demo.test")
    assert codes(await office.deliver("ada@demo.test")) == [250, 250]
    assert len(await office.inbox("ada")) == 1
    assert await office.inbox("grace") == []
    (waiting,) = await list_queue(house.core)
    assert (waiting["recipient"], waiting["route"]) == (BOB, "elsewhere.example")
    assert waiting["sender"].startswith("SRS0=")
    forged = waiting["sender"].replace("=al@", "=eve@")
    replies = await office.deliver(waiting["sender"], forged, sender="")
    assert codes(replies) == [250, 550, 250]
    assert b"5.1.1" in replies[1][1]
    _, back = await list_queue(house.core)
    assert (back["sender"], back["recipient"]) == ("", "al@far.example")
    replies = await office.deliver("grace@demo.test", header=b"Delivered-To: grace@demo.test\r\n")
    assert codes(replies) == [250, 250]
    assert len(await office.inbox("grace")) == 1


async def test_remote_and_disabled_people_and_catch_alls(office: Office) -> None:
    house = office.house
    bob = await house.user(
        "bob", enabled=False, password=None, props=Props(user_role="REMOTE_USER")
    )
    await house.register(bob, BOB)
    await directory.create_alias(house.core, house.grant, bob, "bob@demo.test")
    assert codes(await office.deliver("bob@demo.test")) == [250, 250]
    replies = await office.deliver(BOB)
    assert (codes(replies), b"5.7.1" in replies[0][1]) == ([550], True)
    (waiting,) = await list_queue(house.core)
    assert waiting["recipient"] == BOB
    await deregister_from_workmail(house.core, house.grant, "grace")
    replies = await office.deliver("grace@demo.test")
    assert (codes(replies), b"5.1.1" in replies[0][1]) == ([550], True)
    await office.set(mail_routing.set_catch_all, domain="demo.test", identifier="ada")
    assert codes(await office.deliver("anybody@demo.test", "grace@demo.test")) == [250, 250, 250]
    assert len(await office.inbox("ada")) == 1


async def test_closed_groups_answer_5_7_1(office: Office) -> None:
    await office.house.group("team", "ada", "grace")
    await office.house.user("eve")
    for who, allowed in (("members", ["ada"]), ("organization", ["ada", "eve"])):
        await office.set(mail_routing.set_group_senders, identifier="team", senders=who)
        for sender in ("ada", "eve"):
            replies = await office.submit(sender, "team@demo.test")
            assert codes(replies) == ([250, 250] if sender in allowed else [550])
        replies = await office.deliver("team@demo.test", sender="ada@demo.test")
        assert (codes(replies), b"5.7.1" in replies[0][1]) == ([550], True)
    assert len(await office.inbox("grace")) == 3


async def test_loops_and_limits_have_codes_of_their_own(office: Office) -> None:
    hop = b"Received: from a.example by b.example; Fri, 27 Nov 2026 19:00:00 +0000\r\n"
    *_, (code, text) = await office.deliver("ada@demo.test", header=hop * 51)
    assert (code, b"5.4.6" in text) == (554, True)
    for name, answer in (
        ("recipients", (550, b"5.5.3")),
        ("external_recipients_per_day", (452, b"4.5.3")),
    ):
        await office.set(sending_limits.set_limit, name=name, value=1, identifier="ada")
        *_, (code, text) = await office.submit("ada", BOB, "al@far.example")
        assert (code, answer[1] in text) == (answer[0], True)
        await office.set(sending_limits.set_limit, name=name, value=None, identifier="ada")
    assert codes(await office.submit("ada", BOB, "al@far.example")) == [250, 250, 250]

"""Submission: SEND_AS and SEND_ON_BEHALF, access-control rules, and sessions that end."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.directories import PASSWORD, Directory, bare_core
from tests.support.mailboxes import house, inbox, log_in, mail_core
from tests.support.patience import Stopwatch
from tests.support.stores import Run
from tests.support.trails import Remembered
from workpost.domain.access import permissions, rule_shell
from workpost.domain.access.rules import AccessRule
from workpost.domain.directory import shell as directory
from workpost.domain.messages import shell as messages
from workpost.kernel.trail import MAILBOX_ACCESS, NO_TRAIL
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role

__all__ = ["bare_core", "house", "mail_core"]

Client = smtplib.SMTP
CLIENTS: list[Client] = []
"""Those of a test, closed at its end."""


@pytest.fixture
def port(run: Run[Any], house: Directory) -> Iterator[int]:
    """A submission server."""
    options = ListenerOptions(Role.SUBMISSION, "mail.demo.test", plaintext_auth=True)
    bound = socket.create_server(("127.0.0.1", 0))

    async def start() -> SmtpServer:
        server = SmtpServer(MailFlowService(house.core), options, Shared(), certificates=None)
        await server.start([bound])
        return server

    server = run(start())
    yield bound.getsockname()[1]
    while CLIENTS:
        CLIENTS.pop().close()
    run(server.stop(1))


def enter(port: int, who: str = "grace@demo.test") -> Client:
    client = smtplib.SMTP("127.0.0.1", port, timeout=30)
    CLIENTS.append(client)
    client.ehlo()
    client.login(who, PASSWORD)
    return client


def send(client: Client, envelope: str, header: str) -> tuple[int, bytes]:
    """(code, text) of the first refusal, or of the message."""
    code, text = client.mail(envelope)
    if code == 250:
        client.rcpt("ada@demo.test")
        code, text = client.data(f"{header}\r\nSubject: x\r\n\r\nHello\r\n".encode())
    if code != 421:
        client.rset()
    return code, text


async def put(house: Directory, owner: str, grantee: str, *values: str) -> None:
    await permissions.put_mailbox_permissions(
        house.core, house.grant, owner=owner, grantee=grantee, values=list(values)
    )


ADA, GRACE = "From: ada@demo.test", "Sender: grace@demo.test"


async def test_without_permission_nobody_sends_for_others(house: Directory, port: int) -> None:
    client = await asyncio.to_thread(enter, port)
    for envelope, header in (
        ("ada@demo.test", ADA),
        ("grace@demo.test", ADA),
        ("grace@demo.test", f"{ADA}\r\n{GRACE}"),
    ):
        assert (await asyncio.to_thread(send, client, envelope, header))[0] == 550


async def test_what_people_send_and_may_not_send_is_in_the_audit_log(
    house: Directory, port: int
) -> None:
    trail = house.core.trail = Remembered()
    client = await asyncio.to_thread(enter, port)
    for envelope, header in (
        ("grace@demo.test", "From: grace@demo.test"),
        ("ada@demo.test", ADA),
        ("grace@demo.test", ADA),
    ):
        await asyncio.to_thread(send, client, envelope, header)
    house.core.trail = NO_TRAIL
    assert [
        (each["action"], each["protocol"], each["action_allowed"], "item_id" in each)
        for each in trail.of(MAILBOX_ACCESS)
    ] == [
        ("submit_email_for_sending", "SMTP", True, True),
        ("submit_email_for_sending", "SMTP", False, False),
        ("submit_email_for_sending", "SMTP", False, False),
    ]


async def test_send_as_shows_the_owner_in_both_fields(house: Directory, port: int) -> None:
    await put(house, "ada", "grace", "SEND_AS")
    client = await asyncio.to_thread(enter, port)
    for envelope, header in (
        ("ada@demo.test", ADA),
        ("grace@demo.test", ADA),
        ("ada+x@demo.test", f"{ADA}\r\nSender: ada@demo.test"),
        ("grace@demo.test", f"{ADA}, grace@demo.test\r\n{GRACE}"),
        ("grace@demo.test", "From: grace@demo.test"),
    ):
        assert (await asyncio.to_thread(send, client, envelope, header))[0] == 250, header
    ada = await log_in(house.core, "ada@demo.test")
    page = await messages.metadata_page(
        house.core, ada, await inbox(house.core, ada), low=1, high=99
    )
    raw = [await messages.read_content(house.core, ada, meta) for meta in page]
    assert b"grace" not in raw[0].split(b"Received", 1)[0]
    assert len(raw) == 5


async def test_send_on_behalf_needs_oneself_as_sender(house: Directory, port: int) -> None:
    await put(house, "ada", "grace", "SEND_ON_BEHALF")
    await directory.create_alias(
        house.core,
        house.grant,
        (await log_in(house.core, "grace@demo.test")).entity,
        "hopper@demo.test",
    )
    client = await asyncio.to_thread(enter, port)
    for envelope, header, code in (
        ("grace@demo.test", f"{ADA}\r\n{GRACE}", 250),
        ("ada@demo.test", f"{ADA}\r\nSender: hopper@demo.test", 250),
        ("grace@demo.test", ADA, 550),
        ("ada@demo.test", f"{ADA}\r\nSender: ada@demo.test", 550),
        ("grace@demo.test", "From: grace@demo.test\r\nSender: ada@demo.test", 550),
    ):
        assert (await asyncio.to_thread(send, client, envelope, header))[0] == code, header


async def test_full_access_does_not_let_send(house: Directory, port: int) -> None:
    await put(house, "ada", "grace", "FULL_ACCESS")
    client = await asyncio.to_thread(enter, port)
    code, _ = await asyncio.to_thread(send, client, "grace@demo.test", f"{ADA}\r\n{GRACE}")
    assert code == 550


async def test_groups_as_grantees_and_as_owners(house: Directory, port: int) -> None:
    inner = await house.group("inner", "grace")
    await house.group("outer", inner)
    await house.group("desk")
    await put(house, "ada", "outer", "SEND_AS")
    await put(house, "desk", "inner", "SEND_AS")
    client = await asyncio.to_thread(enter, port)
    for who in ("ada", "desk"):
        address = f"{who}@demo.test"
        code, _ = await asyncio.to_thread(send, client, address, f"From: {address}")
        assert code == 250
    await directory.remove_member(house.core, house.grant, group="outer", member="inner")
    code, _ = await asyncio.to_thread(send, client, "ada@demo.test", ADA)
    assert code == 550


def until_closed(client: Client) -> tuple[bytes, float]:
    with Stopwatch() as watch:
        assert client.file is not None
        line = client.file.readline()
        assert client.file.readline() == b""
    return line, watch.seconds


async def test_a_rule_that_denies_ends_idle_sessions_and_refuses_logins(
    house: Directory, port: int
) -> None:
    grace = await log_in(house.core, "grace@demo.test")
    other = await asyncio.to_thread(enter, port, "ada@demo.test")
    idle = await asyncio.to_thread(enter, port)
    rule = AccessRule(effect="DENY", description="x", actions=("SMTP",), user_ids=(grace.entity,))
    await rule_shell.put_access_rule(house.core, house.grant, "no", rule)
    line, seconds = await asyncio.to_thread(until_closed, idle)
    assert line.startswith(b"421 4.7.0")
    assert seconds < 10  # 2 on a machine with nothing else to do
    assert (await asyncio.to_thread(other.noop))[0] == 250
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await asyncio.to_thread(enter, port)
    await rule_shell.delete_access_rule(house.core, house.grant, "no")
    again = await asyncio.to_thread(enter, port)
    assert (await asyncio.to_thread(send, again, "grace@demo.test", "From: grace@demo.test"))[
        0
    ] == 250
    await directory.reset_password(house.core, house.grant, grace.entity, "Another-Horse8")
    line, _ = await asyncio.to_thread(until_closed, again)
    assert line.startswith(b"421")


async def test_a_message_under_way_is_refused_when_access_ends(house: Directory, port: int) -> None:
    grace = await log_in(house.core, "grace@demo.test")
    client = await asyncio.to_thread(enter, port)

    def begin() -> None:
        client.mail("grace@demo.test")
        client.rcpt("ada@demo.test")
        assert client.docmd("DATA")[0] == 354

    await asyncio.to_thread(begin)
    rule = AccessRule(effect="DENY", description="x", user_ids=(grace.entity,))
    await rule_shell.put_access_rule(house.core, house.grant, "no", rule)
    await asyncio.sleep(0.1)
    client.send(b"From: grace@demo.test\r\n\r\nHello\r\n.\r\n")
    code, _ = await asyncio.to_thread(client.getreply)
    assert code == 421
    assert await house.run("SELECT id FROM item") == []

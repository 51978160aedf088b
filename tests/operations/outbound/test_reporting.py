"""The daily TLS report (RFC 8460 5): by mail from an address here, or over HTTPS."""

from __future__ import annotations

import asyncio
import gzip
import json
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest

from tests.operations.outbound.conftest import Sender, trusting
from tests.support.directories import Directory
from tests.support.mailboxes import inbox, log_in
from tests.support.outside import Authority, OutsideServer
from workpost.domain.messages import shell as messages
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.outbound_settings import Outbound
from workpost.operations.outbound import reporting
from workpost.operations.outbound.reporting import Reporter
from workpost.operations.outbound.tls_policy import TlsPolicy
from workpost.operations.outbound.tlsrpt import DAY, Failure, TlsReports
from workpost.store.core import Core

POLICY = TlsPolicy(ladder=(), kind="no-policy-found")


class Desk:
    """Reports of an installation where Ada is the contact."""

    def __init__(self, house: Directory, **settings: Any) -> None:
        self.resolver = MemoryResolver()
        outbound = Outbound(**{"tls_reports": "ada@demo.test", **settings})
        self.core: Core = msgspec.structs.replace(
            house.core,
            resolver=self.resolver,
            settings=msgspec.structs.replace(
                house.core.settings, hostname="mail.demo.test", outbound=outbound
            ),
        )
        self.reports = TlsReports()
        self.day = self.core.env.now() // DAY
        now = self.core.env.now()
        self.reports.count(now, "example.test", POLICY, None)
        self.reports.count(now, "example.test", POLICY, Failure("starttls-not-supported"))
        self.reports.count(now, "silent.test", POLICY, None)
        self.reporter = Reporter(self.core, self.reports)

    def ask(self, rua: str) -> None:
        self.resolver.records["TXT", "_smtp._tls.example.test"] = [f"v=TLSRPTv1; rua={rua}"]


@pytest.fixture
def desk(house: Directory) -> Desk:
    return Desk(house)


async def test_a_domain_is_told_by_mail(desk: Desk, house: Directory) -> None:
    desk.ask("mailto:grace@demo.test")
    assert await desk.reporter.send(desk.day) == 1
    grace = await log_in(house.core, "grace@demo.test")
    folder = await inbox(house.core, grace)
    (uid,) = await messages.uid_map(house.core, grace, folder)
    meta = await messages.find_message(house.core, grace, folder, uid)
    raw = await messages.read_content(house.core, grace, meta)
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert message["From"] == "ada@demo.test"
    _, part = message.iter_parts()
    report = json.loads(gzip.decompress(part.get_content()))
    assert report["organization-name"] == "mail.demo.test"
    assert report["contact-info"] == "ada@demo.test"
    assert [each["policy"]["policy-domain"] for each in report["policies"]] == ["example.test"]
    assert report["policies"][0]["summary"] == {
        "total-successful-session-count": 1,
        "total-failure-session-count": 1,
    }


async def test_reports_to_elsewhere_wait_in_the_queue(desk: Desk, house: Directory) -> None:
    desk.ask("mailto:tls@example.test")
    assert await desk.reporter.send(desk.day) == 1
    assert await house.run("SELECT route, state FROM queue_rcpt") == [("example.test", "waiting")]


async def test_a_domain_is_told_over_https(
    house: Directory, authority: Authority, runner: asyncio.Runner
) -> None:
    server = OutsideServer(authority.context_for("localhost"))
    try:
        desk = Desk(house, allow=("127.0.0.0/8", "::1/128"), **trusting(authority))
        desk.ask(f"https://localhost:{server.port}/reports")
        assert await desk.reporter.send(desk.day) == 1
        server.answer = lambda asked: (500, {}, b"")
        assert await desk.reporter.send(desk.day) == 1
    finally:
        server.close()
    first, _ = server.asked
    assert (first.method, first.path) == ("POST", "/reports")
    assert first.headers["content-type"] == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(first.body))["policies"]


async def test_who_cannot_be_told_misses_it(desk: Desk) -> None:
    desk.ask("https://localhost:1/")
    desk.resolver.failing = {"_smtp._tls.silent.test"}
    assert await desk.reporter.send(desk.day) == 0


async def test_the_contact_must_live_here(house: Directory) -> None:
    desk = Desk(house, tls_reports="nobody@demo.test")
    desk.ask("mailto:grace@demo.test")
    assert await desk.reporter.send(desk.day) == 0


async def test_reports_leave_when_the_day_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "DELAY", 0.0)
    sender = Sender(relay="127.0.0.1:1", tls_reports="ada@demo.test").open()
    sent: list[int] = []

    async def send(day: int) -> int:
        sent.append(day)
        return 1

    reporter = sender.transport._reporter
    monkeypatch.setattr(reporter, "send", send)
    today = sender.env.now() // DAY
    await sender.send()
    sender.env.advance(DAY)
    await sender.send()
    await sender.send()
    await asyncio.sleep(0.01)
    assert sent == [today]

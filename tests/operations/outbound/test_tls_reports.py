"""The daily TLS report (RFC 8460 5): by mail from an address here, or over HTTPS."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest

from tests.operations.outbound.conftest import trusting
from tests.support.ahead import Ahead
from tests.support.directories import Directory
from tests.support.mailboxes import inbox, log_in
from tests.support.outside import Authority, OutsideServer
from workpost.domain.messages import shell as messages
from workpost.formats.tls_feedback import Failure
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import Environment
from workpost.kernel.outbound_settings import Outbound
from workpost.operations.jobs.build import build_jobs
from workpost.operations.jobs.runner import JobRunner
from workpost.operations.outbound.tls_policy import TlsPolicy
from workpost.operations.outbound.tls_tallies import GATHERER, note
from workpost.operations.reports import days
from workpost.operations.reports.gathering import DAY
from workpost.store.core import Core
from workpost.store.tables.jobs import Lease
from workpost.store.tables.report_tallies import TLS

POLICY = TlsPolicy(ladder=(), kind="no-policy-found")
GRACE = "mailto:grace@demo.test"
ENV = Ahead()


@pytest.fixture(scope="module")
def env() -> Environment:
    return ENV


class Desk:
    """An installation whose reports Ada signs, on a day on which sessions were counted."""

    def __init__(self, house: Directory, **settings: Any) -> None:
        ENV.begin_day()
        self.house = house
        self.resolver = MemoryResolver()
        outbound = Outbound(**{"tls_reports": "ada@demo.test", **settings})
        self.core: Core = msgspec.structs.replace(
            house.core,
            resolver=self.resolver,
            settings=msgspec.structs.replace(
                house.core.settings, hostname="mail.demo.test", outbound=outbound
            ),
        )
        note(self.core, "example.test", POLICY, None)
        note(self.core, "example.test", POLICY, Failure("starttls-not-supported"))
        note(self.core, "silent.test", POLICY, None)

    def ask(self, rua: str) -> None:
        self.resolver.records["TXT", "_smtp._tls.example.test"] = [f"v=TLSRPTv1; rua={rua}"]

    async def next_day(self) -> JobRunner:
        """Let processes write what they counted, and the day's job do its work."""
        await GATHERER.settle(self.core)
        ENV.ahead += DAY
        jobs = build_jobs(self.core)
        await jobs.schedule()
        ENV.ahead += days.FIRST_MS + days.WITHIN_MS
        await jobs.run_due()
        return jobs

    async def reports(self) -> list[Any]:
        """The messages in Grace's INBOX."""
        grace = await log_in(self.house.core, "grace@demo.test")
        folder = await inbox(self.house.core, grace)
        found = []
        for uid in await messages.uid_map(self.house.core, grace, folder):
            meta = await messages.find_message(self.house.core, grace, folder, uid)
            raw = await messages.read_content(self.house.core, grace, meta)
            found.append(message_from_bytes(raw, policy=policy.SMTP))
        return found

    async def counted(self) -> list[str]:
        """The domains that something is left to be told to."""
        return [row[0] for row in await self.house.run("SELECT DISTINCT domain FROM report_tally")]


@pytest.fixture
def desk(house: Directory, runner: asyncio.Runner) -> Desk:
    async def make() -> Desk:
        return Desk(house)

    return runner.run(make())


@pytest.fixture
def receiver(authority: Authority) -> Iterator[OutsideServer]:
    server = OutsideServer(authority.context_for("localhost"))
    yield server
    server.close()


def content(message: Any) -> dict[str, Any]:
    _, part = message.iter_parts()
    found: dict[str, Any] = json.loads(gzip.decompress(part.get_content()))
    return found


async def test_a_domain_is_told_by_mail(desk: Desk) -> None:
    desk.ask(GRACE)
    day = ENV.now() // DAY
    await desk.next_day()
    (message,) = await desk.reports()
    assert message["From"] == "ada@demo.test"
    assert message["TLS-Report-Domain"] == "example.test"
    assert message["TLS-Report-Submitter"] == "mail.demo.test"
    report = content(message)
    assert report["organization-name"] == "mail.demo.test"
    assert report["contact-info"] == "ada@demo.test"
    begin = report["date-range"]["start-datetime"]
    assert dt.datetime.fromisoformat(begin).timestamp() == day * DAY // 1000
    assert [each["policy"]["policy-domain"] for each in report["policies"]] == ["example.test"]
    assert report["policies"][0]["summary"] == {
        "total-successful-session-count": 1,
        "total-failure-session-count": 1,
    }
    assert await desk.counted() == []


async def test_counts_of_several_processes_and_of_one_that_started_again_are_one_report(
    desk: Desk,
) -> None:
    desk.ask(GRACE)
    for _ in range(2):
        await GATHERER.settle(desk.core)
        note(desk.core, "example.test", POLICY, None)
    await desk.next_day()
    (message,) = await desk.reports()
    (found,) = content(message)["policies"]
    assert found["summary"]["total-successful-session-count"] == 3


async def test_two_nodes_send_one_report(desk: Desk) -> None:
    desk.ask(GRACE)
    jobs = await desk.next_day()
    other = build_jobs(desk.core)
    await other.schedule()
    await asyncio.gather(jobs.run_due(), other.run_due())
    assert len(await desk.reports()) == 1


async def test_reports_to_elsewhere_wait_in_the_queue(desk: Desk) -> None:
    desk.ask("mailto:tls@example.test")
    await desk.next_day()
    found = await desk.house.run("SELECT route, state FROM queue_rcpt")
    assert found == [("example.test", "waiting")]


async def test_a_domain_is_told_over_https_until_it_answers(
    house: Directory, authority: Authority, receiver: OutsideServer
) -> None:
    """RFC 8460 3: a report that was not taken is tried again; its id stays."""
    desk = Desk(house, allow=("127.0.0.0/8", "::1/128"), **trusting(authority))
    desk.ask(f"https://localhost:{receiver.port}/reports")
    receiver.answer = lambda asked: (503, {}, b"")
    jobs = await desk.next_day()
    assert await desk.counted() == ["example.test"]
    receiver.answer = lambda asked: (200, {}, b"")
    ENV.ahead += days.AGAIN_MS
    await jobs.run_due()
    assert await desk.counted() == []
    first, second = receiver.asked
    assert (first.method, first.path) == ("POST", "/reports")
    assert first.headers["content-type"] == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(first.body))["policies"]
    assert first.body == second.body


async def test_who_refuses_is_not_asked_again(
    house: Directory, authority: Authority, receiver: OutsideServer
) -> None:
    desk = Desk(house, allow=("127.0.0.0/8", "::1/128"), **trusting(authority))
    desk.ask(f"https://localhost:{receiver.port}/reports,{GRACE}")
    receiver.answer = lambda asked: (404, {}, b"")
    await desk.next_day()
    assert len(await desk.reports()) == 1
    assert await desk.counted() == []


async def test_a_url_that_never_answers_takes_nothing_from_other_places(
    house: Directory, authority: Authority, receiver: OutsideServer
) -> None:
    desk = Desk(house, allow=("127.0.0.0/8", "::1/128"), **trusting(authority))
    desk.ask(f"https://localhost:{receiver.port}/reports,{GRACE}")
    receiver.answer = lambda asked: (503, {}, b"")
    jobs = await desk.next_day()
    assert await desk.reports() == []
    assert await desk.counted() == ["example.test"]
    ENV.ahead += days.UNTIL_MS
    await jobs.run_due()
    assert len(receiver.asked) == 2
    assert len(await desk.reports()) == 1
    assert await desk.counted() == []


async def test_who_is_slow_to_say_what_it_wants_takes_no_time_from_telling_it(
    desk: Desk,
) -> None:
    """A lease that ran out between the two would let another node post the same report."""
    until: list[int] = []

    async def leased() -> None:
        until.extend(row[0] for row in await desk.house.run("SELECT lease_until FROM job"))

    class Slow:
        async def ask(self, domain: str) -> str:
            await leased()
            await asyncio.sleep(0.05)
            return domain

        async def write(self, domain: str, wanted: str) -> None:
            await leased()

    async def report_day(core: Core, lease: Lease) -> None:
        await days.Day[str](core, lease, TLS).work(Slow())

    await GATHERER.settle(desk.core)
    ENV.ahead += DAY
    await days.schedule_day(desk.core, TLS)
    ENV.ahead += days.FIRST_MS + days.WITHIN_MS
    await JobRunner(desk.core, {days.job_of(TLS): report_day}).run_due()
    asked, _, told, _ = until  # of two domains, first all are asked
    assert told >= asked + 50


async def test_a_url_is_no_way_into_our_networks(desk: Desk, receiver: OutsideServer) -> None:
    desk.ask(f"https://localhost:{receiver.port}/reports")
    jobs = await desk.next_day()
    ENV.ahead += days.UNTIL_MS
    await jobs.run_due()
    assert receiver.asked == []
    assert await desk.counted() == []


async def test_who_cannot_be_asked_is_asked_again_until_noon(desk: Desk) -> None:
    desk.ask(GRACE)
    desk.resolver.failing = {"_smtp._tls.example.test"}
    jobs = await desk.next_day()
    assert await desk.reports() == []
    desk.resolver.failing = set()
    ENV.ahead += days.AGAIN_MS
    await jobs.run_due()
    assert len(await desk.reports()) == 1


async def test_a_day_that_comes_from_a_backup_is_told_to_nobody(desk: Desk) -> None:
    desk.ask(GRACE)
    await GATHERER.settle(desk.core)
    ENV.ahead += 7 * DAY
    jobs = build_jobs(desk.core)
    await jobs.schedule()
    await jobs.run_due()
    assert await desk.reports() == []
    assert await desk.counted() == []


@pytest.mark.parametrize("contact", ["nobody@demo.test", ""])
async def test_the_contact_must_live_here(house: Directory, contact: str) -> None:
    desk = Desk(house)
    desk.ask(GRACE)
    outbound = msgspec.structs.replace(desk.core.settings.outbound, tls_reports=contact)
    desk.core.settings = msgspec.structs.replace(desk.core.settings, outbound=outbound)
    await desk.next_day()
    assert await desk.reports() == []
    assert await desk.counted() == []

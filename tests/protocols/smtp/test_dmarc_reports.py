"""Aggregate reports (RFC 9990): strangers' mail over SMTP, and what their domain hears next day."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tests.protocols.smtp.test_dmarc import MAIL, NOT_OURS, OURS, key, signed
from tests.support.ahead import Ahead
from tests.support.directories import Directory, bare_core
from tests.support.mailboxes import house, mail_core
from tests.support.post_office import HOST, PostOffice, post_office
from tests.support.stores import Run
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.organizations import inbound_dmarc
from workpost.formats.dmarc_feedback import NAMESPACE, Seen
from workpost.integrations.dns.base import Answer
from workpost.kernel.clock import Environment
from workpost.kernel.errors import TryLater
from workpost.kernel.mail_settings import Dmarc
from workpost.operations.authentication import tallies
from workpost.operations.jobs.build import build_jobs
from workpost.operations.jobs.runner import JobRunner
from workpost.operations.outbound import report_mailing
from workpost.operations.reports import days
from workpost.operations.reports.gathering import DAY
from workpost.store.tables.report_tallies import DMARC, add_tallies

__all__ = ["bare_core", "house", "mail_core"]

GRACE = "mailto:grace@demo.test"
CONSENT = {("TXT", "author.example._report._dmarc.demo.test"): ["v=DMARC1"]}
IN = {"": NAMESPACE}
SEEN = Seen("192.0.2.1", "a.example", "none", dkim=False, spf=False)


ENV = Ahead()


@pytest.fixture(scope="module")
def env() -> Environment:
    return ENV


@pytest.fixture
def office(run: Run[Any], house: Directory) -> Iterator[PostOffice]:
    ENV.begin_day()
    with post_office(run, house) as office:
        report_by(office, "ada@demo.test")
        yield office


def report_by(office: PostOffice, contact: str) -> None:
    settings = msgspec.structs.replace(office.core.settings, dmarc=Dmarc(reports=contact))
    office.core.settings = settings


def asks(text: str, rua: str = GRACE) -> dict[tuple[str, str], list[str]]:
    return {("TXT", "_dmarc.author.example"): [f"v=DMARC1; {text}; rua={rua}"]}


async def next_day(office: PostOffice) -> None:
    """Let processes write what they counted, and the day's job do its work."""
    await tallies.GATHERER.settle(office.core)
    ENV.ahead += DAY
    jobs = build_jobs(office.core)
    await jobs.schedule()
    ENV.ahead += days.FIRST_MS + days.WITHIN_MS
    await jobs.run_due()


async def reports(office: PostOffice, who: str = "grace@demo.test") -> list[Any]:
    """The reports in somebody's INBOX, as messages."""
    found = [message_from_bytes(raw, policy=policy.SMTP) for raw in await office.read(who=who)]
    return [each for each in found if each["Subject"].startswith("Report Domain:")]


def records(message: Any) -> list[ET.Element]:
    _, part = message.iter_parts()
    assert part.get_content_type() == "application/gzip"
    return ET.fromstring(gzip.decompress(part.get_content())).findall("record", IN)


def facts(record: ET.Element) -> dict[str, str]:
    """The last of each element without children."""
    return {
        each.tag.removeprefix(f"{{{NAMESPACE}}}"): each.text or ""
        for each in record.iter()
        if len(each) == 0
    }


async def test_a_domain_hears_next_day_what_became_of_its_mail(office: PostOffice) -> None:
    office.dns.records |= {
        **OURS,
        **CONSENT,
        **asks("p=quarantine"),
        ("TXT", "s1._domainkey.author.example"): [key()[1]],
    }
    for _ in range(2):
        assert (await office.send(signed(MAIL)))[0] == 250
    await office.send(MAIL, sender="eve@elsewhere.example")
    await next_day(office)
    (report,) = await reports(office)
    assert report["From"] == "ada@demo.test"
    subject = "Report Domain: author.example Submitter: mx.demo.test Report-ID: <"
    assert report["Subject"].startswith(subject)
    good, bad = map(facts, records(report))
    assert {
        "source_ip": "127.0.0.1",
        "count": "2",
        "disposition": "pass",
        "header_from": "author.example",
        "envelope_from": "author.example",
        "selector": "s1",
    }.items() <= good.items()
    first, _ = records(report)
    evaluated = first.find("row/policy_evaluated", IN)
    assert evaluated is not None
    assert [each.text for each in evaluated] == ["pass", "pass", "pass"]
    assert (bad["count"], bad["disposition"]) == ("1", "quarantine")
    assert bad["envelope_from"] == "elsewhere.example"
    await next_day(office)
    assert len(await reports(office)) == 1


async def test_what_is_refused_in_smtp_is_told(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **CONSENT, **asks("p=reject")}
    assert (await office.send(MAIL))[0] == 550
    await next_day(office)
    (report,) = await reports(office)
    (record,) = records(report)
    assert facts(record)["disposition"] == "reject"


async def test_who_does_not_enforce_says_so(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **CONSENT, **asks("p=reject")}
    await inbound_dmarc.put_inbound_dmarc_settings(office.core, office.house.grant, enforced=False)
    assert (await office.send(MAIL))[0] == 250
    await next_day(office)
    (report,) = await reports(office)
    (record,) = records(report)
    found = facts(record)
    assert (found["disposition"], found["type"]) == ("none", "local_policy")


async def test_a_policy_that_is_tested_is_told_as_such(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **CONSENT, **asks("p=quarantine; t=y")}
    assert (await office.send(MAIL))[0] == 250
    await next_day(office)
    (report,) = await reports(office)
    (record,) = records(report)
    found = facts(record)
    assert (found["disposition"], found["type"]) == ("none", "policy_test_mode")


@pytest.mark.parametrize(
    ("records", "contact"),
    [
        ({**asks("p=none")}, "ada@demo.test"),
        ({**CONSENT, **asks("p=none", "https://reports.example/")}, "ada@demo.test"),
        ({**CONSENT, **asks("p=none", f"{GRACE}!100")}, "ada@demo.test"),
        ({**CONSENT, ("TXT", "_dmarc.author.example"): ["v=DMARC1; p=none"]}, "ada@demo.test"),
        ({**CONSENT, **asks("p=none")}, "nobody@demo.test"),
        ({**CONSENT, **asks("p=none")}, ""),
    ],
    ids=["no consent", "no mailto", "too large", "not asked", "nobody signs", "switched off"],
)
async def test_nobody_hears_who_did_not_ask_or_may_not(
    office: PostOffice, records: dict[tuple[str, str], list[str]], contact: str
) -> None:
    report_by(office, contact)
    office.dns.records |= {**OURS, **records}
    assert (await office.send(MAIL))[0] == 250
    await next_day(office)
    assert await reports(office) == []
    assert await office.house.run("SELECT day FROM report_tally") == []
    assert await office.house.run("SELECT kind FROM job WHERE kind = 'dmarc.report'") == []


async def test_a_domain_of_the_same_organization_needs_no_consent(office: PostOffice) -> None:
    office.dns.records |= {**OURS, **asks("p=none", "mailto:in@reports.author.example")}
    assert (await office.send(MAIL))[0] == 250
    await next_day(office)
    routes = await office.house.run("SELECT route FROM queue_rcpt")
    assert routes == [("reports.author.example",)]


async def test_every_address_gets_a_message_of_its_own(office: PostOffice) -> None:
    both = f"{GRACE},mailto:ada@demo.test"
    office.dns.records |= {**OURS, **CONSENT, **asks("p=none", both)}
    assert (await office.send(MAIL))[0] == 250
    await next_day(office)
    (one,), (other,) = await reports(office), await reports(office, "ada@demo.test")
    assert one["Subject"] == other["Subject"]
    assert one["Message-ID"] != other["Message-ID"]


async def test_a_dns_that_does_not_answer_is_asked_again_until_noon(office: PostOffice) -> None:
    office.dns.records |= {**OURS, **asks("p=none")}
    assert (await office.send(MAIL))[0] == 250
    consent = "author.example._report._dmarc.demo.test"
    office.dns.failing = {consent}
    await next_day(office)
    assert await reports(office) == []
    office.dns.failing = set()
    office.dns.records |= CONSENT
    ENV.ahead += days.AGAIN_MS
    await build_jobs(office.core).run_due()
    assert len(await reports(office)) == 1


async def note_domains(office: PostOffice, *domains: str) -> int:
    """Let a report be due to each domain, as if mail had come yesterday; returns that day."""
    day = ENV.now() // DAY - 1
    rows = [(day, each, b"h" * 16, msgspec.json.encode(SEEN), 1) for each in sorted(domains)]
    await office.core.store.write(add_tallies, kind=DMARC, rows=rows)
    for each in domains:
        office.dns.records |= {
            ("TXT", f"_dmarc.{each}"): [f"v=DMARC1; p=none; rua={GRACE}"],
            ("TXT", f"{each}._report._dmarc.demo.test"): ["v=DMARC1"],
        }
    return day


async def jobs_at_work(office: PostOffice) -> JobRunner:
    """A runner to which the day's job is due."""
    jobs = build_jobs(office.core)
    await jobs.schedule()
    ENV.ahead += days.FIRST_MS + days.WITHIN_MS
    return jobs


async def subjects(office: PostOffice) -> list[str]:
    return sorted(each["Subject"].split()[2] for each in await reports(office))


async def test_a_domain_with_a_slow_dns_holds_nobody_up(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await note_domains(office, "a.example", "b.example", "c.example")
    resolver = office.core.resolver
    answer = resolver.txt

    async def txt(name: str) -> Answer[str]:
        if name == "_dmarc.b.example":
            await asyncio.Event().wait()
        return await answer(name)

    monkeypatch.setattr(resolver, "txt", txt)
    monkeypatch.setattr(days, "LOOK_UP_SECONDS", 1.0)
    await (await jobs_at_work(office)).run_due()
    assert await subjects(office) == ["a.example", "c.example"]
    monkeypatch.setattr(resolver, "txt", answer)
    ENV.ahead += days.AGAIN_MS
    await build_jobs(office.core).run_due()
    assert await subjects(office) == ["a.example", "b.example", "c.example"]


@pytest.mark.parametrize("step", ["asked", "told"])
async def test_a_domain_that_cannot_be_told_holds_nobody_up(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await note_domains(office, "a.example", "b.example", "c.example")
    resolver = office.core.resolver
    answer, prepare = resolver.txt, report_mailing.prepare_report

    async def txt(name: str) -> Answer[str]:
        if name == "_dmarc.a.example":
            raise LookupError(name)
        return await answer(name)

    async def prepare_report(*args: Any, raw: bytes, **kwargs: Any) -> Outgoing | None:
        if b"Report Domain: a.example" in raw:
            raise LookupError
        return await prepare(*args, raw=raw, **kwargs)

    if step == "asked":
        monkeypatch.setattr(resolver, "txt", txt)
    else:
        monkeypatch.setattr(report_mailing, "prepare_report", prepare_report)
    await (await jobs_at_work(office)).run_due()
    assert await subjects(office) == ["b.example", "c.example"]
    assert await office.house.run("SELECT day FROM report_tally") == []


async def test_other_jobs_have_their_turn(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await note_domains(office, "a.example", "b.example", "c.example")
    monkeypatch.setattr(days, "AT_ONCE", 1)
    monkeypatch.setattr(days, "TURN_SECONDS", 0)
    jobs = await jobs_at_work(office)
    for told in (["a.example"], ["a.example", "b.example"]):
        assert await jobs.work_one()
        assert await subjects(office) == told
        state = await office.house.run(
            "SELECT state, progress FROM job WHERE kind = 'dmarc.report'"
        )
        assert state == [("waiting", len(told))]
    await jobs.run_due()
    assert await subjects(office) == ["a.example", "b.example", "c.example"]
    assert await office.house.run("SELECT day FROM report_tally") == []


async def test_the_job_of_a_day_ends_however_many_domains_there_are(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await note_domains(office, "a.example", "b.example", "c.example")
    monkeypatch.setattr(days, "AT_ONCE", 1)
    monkeypatch.setattr(days, "TURN_SECONDS", 0)
    monkeypatch.setattr(days, "MOST_TURNS", 2)
    await (await jobs_at_work(office)).run_due()
    assert await subjects(office) == ["a.example", "b.example"]
    assert await office.house.run("SELECT day FROM report_tally") == []
    assert await office.house.run("SELECT id FROM job WHERE kind = 'dmarc.report'") == []


async def test_who_was_late_is_not_forgotten_by_whoever_takes_the_job_over(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await note_domains(office, "a.example", "b.example")
    office.dns.failing = {"_dmarc.a.example"}

    def killed(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    jobs = await jobs_at_work(office)
    with monkeypatch.context() as patch:
        # Behind the last domain, before it is decided whether to try again.
        patch.setattr(days, "go_on", killed)
        assert await jobs.work_one()
    office.dns.failing = set()
    ENV.ahead += days.AGAIN_MS
    await jobs.run_due()
    ENV.ahead += days.AGAIN_MS
    await jobs.run_due()
    assert await subjects(office) == ["a.example", "b.example"]


async def test_a_domain_with_more_than_a_report_holds_is_told_once(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = await note_domains(office, "a.example", "b.example")
    more = msgspec.json.encode(msgspec.structs.replace(SEEN, source="192.0.2.2"))
    await office.core.store.write(
        add_tallies, kind=DMARC, rows=[(day, "a.example", b"i" * 16, more, 9)]
    )
    monkeypatch.setattr(days, "MOST_BYTES", len(more) + 1)
    office.dns.failing = {"_dmarc.b.example"}
    await (await jobs_at_work(office)).run_due()
    ENV.ahead += days.AGAIN_MS
    await build_jobs(office.core).run_due()
    (report,) = await reports(office)
    (record,) = records(report)
    assert (facts(record)["source_ip"], facts(record)["count"]) == ("192.0.2.2", "9")


async def test_a_stranger_who_is_named_is_asked_one_question(office: PostOffice) -> None:
    await note_domains(office, "a.example")
    rua = "mailto:in@a.b.c.victim.example"
    office.dns.records["TXT", "_dmarc.a.example"] = [f"v=DMARC1; p=none; rua={rua}"]
    office.dns.asked.clear()
    await (await jobs_at_work(office)).run_due()
    asked = [name for _, name in office.dns.asked if name.endswith("victim.example")]
    assert asked == ["a.example._report._dmarc.a.b.c.victim.example"]
    assert await office.house.run("SELECT route FROM queue_rcpt") == []


async def test_counts_of_several_processes_are_one_report(office: PostOffice) -> None:
    office.dns.records |= {**OURS, **CONSENT, **asks("p=none")}
    for _ in range(2):
        assert (await office.send(MAIL))[0] == 250
        await tallies.GATHERER.settle(office.core)
    await next_day(office)
    (report,) = await reports(office)
    (record,) = records(report)
    assert facts(record)["count"] == "2"
    assert report["Message-ID"].endswith(f"@{HOST}>")


async def test_counts_wait_for_a_store_that_does_not_answer(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.dns.records |= {**OURS, **CONSENT, **asks("p=none")}
    assert (await office.send(MAIL))[0] == 250

    async def away(*_: object, **__: object) -> None:
        raise TryLater("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(office.core.store, "write_background", away)
        await tallies.GATHERER.settle(office.core)
    await next_day(office)
    assert len(await reports(office)) == 1

"""Counters for TLS reports (RFC 8460): what a domain is told about sessions with its servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.outbound.conftest import MakeSink, World, trusting
from tests.support.dns import DnsServer
from tests.support.outside import Authority
from workpost.integrations.smtp.security import Security
from workpost.operations.outbound.tls_policy import TlsPolicy
from workpost.operations.outbound.tlsrpt import DAY, MAX_FAILURES, Failure, TlsReports

HOSTS = ("mx1.example.test", "mx2.example.test")


@pytest.fixture
def world(dns: DnsServer, make_sink: MakeSink, authority: Authority) -> World:
    return World(dns, make_sink, context=authority.context_for(*HOSTS), **trusting(authority))


def report_of(world: World) -> dict[str, Any]:
    day = world.sender.env.now() // DAY
    return world.sender.transport.reports.report(
        day, "example.test", organization="Demo", contact="postmaster@demo.test", report_id="1"
    )


async def test_sessions_without_any_policy(world: World) -> None:
    await world.send()
    await world.send()
    world.first.script.starttls = False
    await world.send()
    report = report_of(world)
    assert report["organization-name"] == "Demo"
    (policy,) = report["policies"]
    assert policy["policy"] == {
        "policy-type": "no-policy-found",
        "policy-domain": "example.test",
    }
    assert policy["summary"] == {
        "total-successful-session-count": 2,
        "total-failure-session-count": 1,
    }
    assert policy["failure-details"] == [
        {
            "result-type": "starttls-not-supported",
            "receiving-mx-hostname": "mx1.example.test",
            "receiving-ip": "127.0.0.2",
            "failed-session-count": 1,
        }
    ]


async def test_sessions_under_dane(world: World) -> None:
    world.dns.secure = {"example.test"}
    record = "3 1 1 " + "ab" * 32
    for host in HOSTS:
        world.dns.records["TLSA", f"_{world.first.port}._tcp.{host}"] = [record]
    await world.send()
    policies = report_of(world)["policies"]
    assert [each["policy"]["policy-type"] for each in policies] == ["tlsa", "tlsa"]
    assert policies[0]["policy"]["policy-string"] == [record]
    assert policies[0]["policy"]["mx-host"] == ["mx1.example.test"]
    assert policies[0]["failure-details"][0]["result-type"] == "validation-failure"


async def test_a_handshake_that_failed_counts_once(world: World, stranger: Authority) -> None:
    import ssl

    world.first.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert (await world.send())[0].state == "delivered"
    (policy,) = report_of(world)["policies"]
    assert policy["summary"]["total-failure-session-count"] == 1
    assert policy["summary"]["total-successful-session-count"] == 0


async def test_what_the_operator_decides_is_nobodys_business(world: World) -> None:
    world.sender.set(tls=("*=encrypt",))
    await world.send()
    world.sender.set(routes=(f"*={world.second.place}",))
    await world.send()
    assert report_of(world)["policies"] == []


async def test_sessions_that_are_kept_count_once(world: World) -> None:
    world.sender.set(idle_seconds=5)
    for _ in range(3):
        await world.send()
    (policy,) = report_of(world)["policies"]
    assert policy["summary"]["total-successful-session-count"] == 1


def test_days_are_apart_and_forgotten() -> None:
    reports = TlsReports()
    policy = TlsPolicy(ladder=(Security(level="may"),), kind="no-policy-found")
    for day in range(5):
        reports.count(day * DAY + 5, "a.test", policy, None)
    assert [reports.domains(day) for day in range(5)] == [[], [], *[["a.test"]] * 3]
    report = reports.report(4, "a.test", organization="", contact="", report_id="")
    assert report["date-range"] == {
        "start-datetime": "1970-01-05T00:00:00Z",
        "end-datetime": "1970-01-05T23:59:59Z",
    }


def test_hosts_that_fail_in_ever_new_ways_are_bounded() -> None:
    reports = TlsReports()
    policy = TlsPolicy(ladder=(), kind="sts")
    for number in range(MAX_FAILURES * 2):
        reports.count(0, "a.test", policy, Failure("validation-failure", host=f"mx{number}.test"))
    (found,) = reports.report(0, "a.test", organization="", contact="", report_id="")["policies"]
    assert len(found["failure-details"]) == MAX_FAILURES
    assert found["summary"]["total-failure-session-count"] == MAX_FAILURES * 2

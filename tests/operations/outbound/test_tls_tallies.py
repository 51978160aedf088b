"""Counts for TLS reports (RFC 8460): what a domain is told about sessions with its servers."""

from __future__ import annotations

import pytest

from tests.operations.outbound.conftest import MakeSink, World, report_of, trusting
from tests.support.dns import DnsServer
from tests.support.outside import Authority
from workpost.operations.outbound.tls_policy import TlsPolicy
from workpost.operations.outbound.tls_tallies import MAX_POLICY, note

HOSTS = ("mx1.example.test", "mx2.example.test")


@pytest.fixture
def world(dns: DnsServer, make_sink: MakeSink, authority: Authority) -> World:
    return World(dns, make_sink, context=authority.context_for(*HOSTS), **trusting(authority))


async def test_sessions_without_any_policy(world: World) -> None:
    await world.send()
    await world.send()
    world.first.script.starttls = False
    await world.send()
    (policy,) = report_of(world)["policies"]
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


async def test_long_policies_are_told_in_part(world: World) -> None:
    lines = ("version: STSv1", *(f"mx: {'a' * 60}.{number}.test" for number in range(200)))
    policy = TlsPolicy(ladder=(), kind="sts", lines=lines, mx=lines)
    note(world.sender.core, "example.test", policy, None)
    (found,) = report_of(world)["policies"]
    for name in ("policy-string", "mx-host"):
        told = found["policy"][name]
        assert told == list(lines[: len(told)])
        assert MAX_POLICY - 100 < sum(map(len, told)) <= MAX_POLICY


async def test_nothing_is_counted_where_nobody_is_told(world: World) -> None:
    world.sender.set(tls_reports="")
    await world.send()
    assert report_of(world)["policies"] == []

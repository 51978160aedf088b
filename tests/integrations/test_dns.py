"""The resolvers: real questions over UDP to a server of ours, and the one that is only told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.rcode
import pytest

from tests.support.dns import DnsServer
from tests.support.stores import Run
from workpost.integrations.dns.memory import MemoryResolver
from workpost.integrations.dns.real import DnsResolver
from workpost.kernel.errors import TryLater

ZONE = {
    ("TXT", "demo.example"): ["v=spf1 ~all", "k" * 400],
    ("CNAME", "www.demo.example"): ["Demo.example"],
    ("MX", "demo.example"): ["20 b.demo.example", "10 A.demo.example"],
}


@pytest.fixture
def server(run: Run[Any]) -> Iterator[tuple[DnsServer, DnsResolver]]:
    made = DnsServer()
    made.records = dict(ZONE)
    address = run(made.start())
    yield made, DnsResolver([address], seconds=0.5)
    made.close()


async def check(resolver: Any) -> None:
    assert sorted(await resolver.txt("demo.example")) == ["k" * 400, "v=spf1 ~all"]
    assert sorted(await resolver.txt("www.demo.example.")) == ["k" * 400, "v=spf1 ~all"]
    assert await resolver.cname("www.Demo.example") == "demo.example"
    assert await resolver.mx("demo.example") == [(10, "a.demo.example"), (20, "b.demo.example")]


async def test_texts_are_joined_aliases_followed_hosts_sorted(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    await check(server[1])
    await check(MemoryResolver(dict(ZONE)))


async def test_what_does_not_exist_is_an_empty_answer(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    for resolver in (server[1], MemoryResolver()):
        assert await resolver.txt("nobody.example") == []
        assert await resolver.cname("nobody.example") == ""
        assert await resolver.mx("nobody.example") == []
    assert await server[1].mx("www.demo.example") == await server[1].mx("demo.example")
    assert await server[1].cname("demo.example") == ""


async def test_failing_servers_and_impossible_names_are_try_later(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    made, resolver = server
    with pytest.raises(TryLater):
        await resolver.txt("x" * 64 + ".example")
    made.rcode = dns.rcode.SERVFAIL
    with pytest.raises(TryLater):
        await resolver.txt("demo.example")
    made.silent = True
    with pytest.raises(TryLater):
        async with asyncio.timeout(5):
            await resolver.txt("demo.example")
    told = MemoryResolver(dict(ZONE))
    told.broken = True
    with pytest.raises(TryLater):
        await told.cname("demo.example")


async def test_without_servers_the_machine_s_own_are_asked() -> None:
    resolver = DnsResolver()
    assert resolver._open() is resolver._open()

"""The resolvers: real questions over UDP to a server of ours, and the one that is only told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.rcode
import pytest

from tests.support.dns import DnsServer
from tests.support.stores import Run
from workpost.integrations.dns.base import Srv, Tlsa
from workpost.integrations.dns.caching import CachingResolver
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
    assert sorted((await resolver.txt("demo.example")).values) == ["k" * 400, "v=spf1 ~all"]
    assert sorted((await resolver.txt("www.demo.example.")).values) == ["k" * 400, "v=spf1 ~all"]
    assert (await resolver.cname("www.Demo.example")).values == ["demo.example"]
    assert (await resolver.mx("demo.example")).values == [
        (10, "a.demo.example"),
        (20, "b.demo.example"),
    ]


async def test_texts_are_joined_aliases_followed_hosts_sorted(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    await check(server[1])
    await check(MemoryResolver(dict(ZONE)))


async def test_what_does_not_exist_is_an_empty_answer(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    for resolver in (server[1], MemoryResolver()):
        assert not (await resolver.txt("nobody.example")).values
        assert not (await resolver.cname("nobody.example")).values
        assert not (await resolver.mx("nobody.example")).values
    assert await server[1].mx("www.demo.example") == await server[1].mx("demo.example")
    assert not (await server[1].cname("demo.example")).values


async def test_an_answer_tells_whether_the_name_exists_and_is_signed(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    made, resolver = server
    told = MemoryResolver(dict(ZONE))
    for each in (resolver, told):
        assert not (await each.txt("nobody.example")).exists
        assert (await each.a("demo.example")).exists
        assert not (await each.txt("demo.example")).secure
    made.secure = told.secure = {"demo.example"}
    for each in (resolver, told):
        assert (await each.txt("demo.example")).secure
        assert (await each.mx("www.demo.example")).secure


async def test_addresses_names_of_addresses_and_tlsa(
    server: tuple[DnsServer, DnsResolver],
) -> None:
    made, resolver = server
    zone = {
        ("A", "mail.example"): ["192.0.2.1"],
        ("AAAA", "mail.example"): ["2001:db8::1"],
        ("PTR", "1.2.0.192.in-addr.arpa"): ["Mail.example."],
        ("TLSA", "_25._tcp.mail.example"): ["3 1 1 " + "ab" * 32],
        ("MX", "none.example"): ["0 ."],
    }
    made.records |= zone
    for each in (resolver, MemoryResolver(dict(zone))):
        assert (await each.a("mail.example")).values == ["192.0.2.1"]
        assert (await each.aaaa("mail.example")).values == ["2001:db8::1"]
        assert (await each.ptr("192.0.2.1")).values == ["mail.example"]
        assert (await each.mx("none.example")).values == [(0, "")]
        found = (await each.tlsa("_25._tcp.mail.example")).values
        assert found == [Tlsa(3, 1, 1, bytes.fromhex("ab" * 32))]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_cache_asks_once_while_the_ttl_lasts() -> None:
    clock, told = Clock(), MemoryResolver(dict(ZONE))
    cache = CachingResolver(told, clock)
    answers = await asyncio.gather(*(cache.mx("demo.example") for _ in range(10)))
    assert len(answers) == 10
    assert told.asked.count(("MX", "demo.example")) == 1
    clock.now = 299.0
    await cache.mx("Demo.example.")
    assert told.asked.count(("MX", "demo.example")) == 1
    clock.now = 301.0
    await cache.mx("demo.example")
    assert told.asked.count(("MX", "demo.example")) == 2


async def test_a_cache_asks_again_soon_after_a_failure() -> None:
    clock, told = Clock(), MemoryResolver(dict(ZONE))
    cache = CachingResolver(told, clock)
    told.broken = True
    for _ in range(3):
        with pytest.raises(TryLater):
            await cache.txt("demo.example")
    assert told.asked == [("CNAME", "demo.example")]
    told.broken = False
    clock.now = 6.0
    assert (await cache.txt("demo.example")).values


async def test_a_cache_survives_the_one_who_asked_first_and_keeps_so_many() -> None:
    told = MemoryResolver({("TXT", f"{n}.example"): ["x"] for n in range(5)})
    cache = CachingResolver(told, Clock(), size=2)
    first = asyncio.ensure_future(cache.txt("0.example"))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(cache.txt("0.example"))
    first.cancel()
    assert (await second).values == ["x"]
    for n in range(5):
        await cache.txt(f"{n}.example")
    assert len(cache._kept) == 2


async def test_a_cache_keeps_no_more_than_its_bytes() -> None:
    told = MemoryResolver({("TXT", f"{n}.example"): ["x" * 60_000] for n in range(20)})
    told.records["TLSA", "t.example"] = [f"3 1 1 {'00' * 32}"]
    cache = CachingResolver(told, Clock(), most_bytes=200_000)
    for n in range(20):
        await cache.txt(f"{n}.example")
        await cache.txt("19.example")
        await cache.tlsa("t.example")
    assert 100_000 < cache.bytes <= 200_000
    assert ("TXT", "19.example") in cache._kept
    told.broken = True
    with pytest.raises(TryLater) as raised:
        await cache.txt("0.example")
    # What is kept of a failure holds nothing of the attempt.
    kept = cache._kept["TXT", "0.example"][1]
    assert kept is not raised.value
    assert isinstance(kept, TryLater)
    assert kept.__traceback__ is None
    for key in list(cache._kept):
        cache._forget(key)
    assert cache.bytes == 0


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
        async with asyncio.timeout(30):
            await resolver.txt("demo.example")
    told = MemoryResolver(dict(ZONE))
    told.broken = True
    with pytest.raises(TryLater):
        await told.cname("demo.example")


async def test_without_servers_the_machine_s_own_are_asked() -> None:
    resolver = DnsResolver()
    assert resolver._open() is resolver._open()


async def test_services_and_authorities(server: tuple[DnsServer, DnsResolver]) -> None:
    """RFC 2782: in order of priority, "." for no such service; RFC 8659."""
    made, resolver = server
    made.records[("SRV", "_imaps._tcp.demo.example")] = ["10 1 993 b.test.", "0 1 993 A.test."]
    made.records[("SRV", "_imap._tcp.demo.example")] = ["0 0 0 ."]
    made.records[("CAA", "demo.example")] = ['0 issue "letsencrypt.org"', '0 iodef "mailto:a@b.c"']
    told = MemoryResolver(dict(made.records))
    for each in (resolver, told, CachingResolver(told, lambda: 0.0)):
        assert (await each.srv("_imaps._tcp.demo.example")).values == [
            Srv(0, 1, 993, "a.test"),
            Srv(10, 1, 993, "b.test"),
        ]
        assert (await each.srv("_imap._tcp.demo.example")).values == [Srv(0, 0, 0, "")]
        assert ("issue", "letsencrypt.org") in (await each.caa("demo.example")).values
        assert not (await each.caa("www.demo.example.nobody")).values

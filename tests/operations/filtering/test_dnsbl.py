"""DNS lists (RFC 5782)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from workpost.integrations.dns.base import Answer
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.filtering.dnsbl import DOMAINS, ask_lists, reverse_address

ADDRESSES = ("bl.example=3.0", "other.example=1.5")
NAMES = ("names.example=2.0",)


async def ask(resolver: Any, peer: str = "192.0.2.99", domains: tuple[str, ...] = ()) -> list[Any]:
    return await ask_lists(
        resolver,
        peer=peer,
        domains=domains,
        address_lists=ADDRESSES,
        domain_lists=NAMES,
        seconds=0.2,
    )


@pytest.mark.parametrize(
    ("peer", "labels"),
    [
        ("192.0.2.99", "99.2.0.192"),
        ("::ffff:192.0.2.99", "99.2.0.192"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",
        ),
        ("127.0.0.1", ""),
        ("10.2.3.4", ""),
        ("fe80::1", ""),
        ("unix", ""),
    ],
)
def test_addresses_are_asked_about_in_reverse_2_1_and_2_4(peer: str, labels: str) -> None:
    assert reverse_address(peer) == labels


async def test_an_address_that_is_listed() -> None:
    resolver = MemoryResolver({("A", "99.2.0.192.bl.example"): ["127.0.0.2"]})
    assert await ask(resolver) == [("LISTED_BL_EXAMPLE", 3.0)]
    assert await ask(resolver, "192.0.2.98") == []


async def test_domain_names_that_are_listed_count_once_a_list_2_2() -> None:
    resolver = MemoryResolver(
        {(("A", f"{name}.names.example")): ["127.0.0.2"] for name in ("evil.test", "bad.test")}
    )
    assert await ask(resolver, "", ("evil.test", "bad.test", "good.test")) == [
        ("LISTED_NAMES_EXAMPLE", 2.0)
    ]


@pytest.mark.parametrize("value", ["127.0.0.1", "127.255.255.254", "192.0.2.1"])
async def test_answers_that_list_nothing(value: str) -> None:
    resolver = MemoryResolver({("A", "99.2.0.192.bl.example"): [value]})
    assert await ask(resolver) == []


async def test_a_list_that_fails_says_nothing_and_the_other_counts() -> None:
    resolver = MemoryResolver({("A", "99.2.0.192.other.example"): ["127.0.0.4"]})
    resolver.failing.add("99.2.0.192.bl.example")
    assert await ask(resolver) == [("LISTED_OTHER_EXAMPLE", 1.5)]


async def test_a_silent_list_is_waited_for_as_long_as_was_said() -> None:
    class Silent(MemoryResolver):
        async def a(self, name: str) -> Answer[str]:
            if name.endswith(".bl.example"):
                await asyncio.sleep(60)
            return await super().a(name)

    resolver = Silent({("A", "99.2.0.192.other.example"): ["127.0.0.4"]})
    started = time.perf_counter()
    assert await ask(resolver) == [("LISTED_OTHER_EXAMPLE", 1.5)]
    assert time.perf_counter() - started < 30


async def test_what_is_no_name_is_not_asked_about_nor_are_too_many() -> None:
    resolver = MemoryResolver()
    odd = ("192.0.2.1", "a b.example", "-", "x" * 300, "localhost", "", "..")
    await ask(resolver, "127.0.0.1", odd)
    assert resolver.asked == []
    await ask(resolver, "127.0.0.1", tuple(f"d{n}.test" for n in range(50)))
    assert len({name for kind, name in resolver.asked if kind == "A"}) == DOMAINS

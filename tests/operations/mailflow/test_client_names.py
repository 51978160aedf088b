"""Names by reverse DNS that their own addresses confirm."""

from __future__ import annotations

import asyncio
import time

import pytest

from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import TryLater
from workpost.operations.mailflow import client_names
from workpost.operations.mailflow.client_names import ClientNames, confirmed_name

V6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


@pytest.fixture
def dns() -> MemoryResolver:
    return MemoryResolver(
        {
            ("PTR", "1.2.0.192.in-addr.arpa"): ["forged.a.test.", "mail.a.test."],
            ("A", "forged.a.test"): ["198.51.100.1"],
            ("A", "mail.a.test"): ["198.51.100.2", "192.0.2.1"],
            ("PTR", V6): ["six.a.test"],
            ("AAAA", "six.a.test"): ["2001:DB8:0::1"],
            ("PTR", "2.2.0.192.in-addr.arpa"): ["forged.a.test"],
        }
    )


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "mail.a.test"),
        ("2001:db8::1", "six.a.test"),
        ("192.0.2.2", ""),
        ("192.0.2.3", ""),
    ],
)
async def test_a_name_counts_when_its_addresses_confirm_it(
    dns: MemoryResolver, address: str, name: str
) -> None:
    assert await confirmed_name(dns, address) == name


async def test_only_some_of_many_names_are_looked_up(dns: MemoryResolver) -> None:
    names = [f"n{number}.a.test" for number in range(100)]
    dns.records["PTR", "9.2.0.192.in-addr.arpa"] = [*names, "mail.a.test"]
    assert await confirmed_name(dns, "192.0.2.9") == ""
    assert len(dns.asked) < 20


async def test_without_dns_there_is_no_answer(dns: MemoryResolver) -> None:
    dns.broken = True
    with pytest.raises(TryLater):
        await confirmed_name(dns, "192.0.2.1")


class Slow(MemoryResolver):
    """A DNS that does not answer."""

    async def ptr(self, address: str) -> object:  # type: ignore[override]
        self.asked.append(("PTR", address))
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")


async def test_what_was_found_is_kept(dns: MemoryResolver) -> None:
    names = ClientNames(dns, time.monotonic)
    names.begin("192.0.2.1")
    names.begin("192.0.2.1")
    assert await names.find("192.0.2.1") == "mail.a.test"
    asked = len(dns.asked)
    assert await names.find("192.0.2.1") == "mail.a.test"
    assert await names.find("192.0.2.77") == ""
    assert await names.find("192.0.2.77") == ""
    assert len(dns.asked) == asked + 2  # PTR, and whether it is an alias


@pytest.mark.parametrize("host", ["", "127.0.0.1", "::1", "mail.a.test"])
async def test_nobody_asks_about_this_machine(dns: MemoryResolver, host: str) -> None:
    assert await ClientNames(dns, time.monotonic).find(host) == ""
    assert dns.asked == []


async def test_a_message_does_not_wait_for_a_dns_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow()
    monkeypatch.setattr(client_names, "SECONDS", 0.05)
    names = ClientNames(slow, time.monotonic)
    began = time.monotonic()
    assert await asyncio.gather(*(names.find("192.0.2.1") for _ in range(3))) == ["", "", ""]
    assert time.monotonic() - began < 30
    assert len(slow.asked) == 1


async def test_no_more_addresses_are_remembered_than_there_is_room_for(
    dns: MemoryResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_names, "KNOWN", 3)
    names = ClientNames(dns, time.monotonic)
    for number in range(10):
        await names.find(f"192.0.2.{number}")
    assert len(names._known) == 3

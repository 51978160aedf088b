"""The servers of a domain (RFC 5321 5, RFC 7505): whom mail goes to, and where it never goes."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.outbound.conftest import MakeSink, World
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import TryLater
from workpost.operations.outbound.hosts import (
    NoRoute,
    dns_name,
    find_addresses,
    find_exchanges,
    literal_address,
)

NOBODY: frozenset[str] = frozenset()


async def hosts_of(
    records: dict[tuple[str, str], list[str]], own: frozenset[str] = NOBODY
) -> list[str]:
    found = await find_exchanges(
        MemoryResolver(records), "example.test", own, lambda: os.urandom(8)
    )
    return [each.host for each in found]


async def test_hosts_by_preference_and_alike_ones_in_any_order() -> None:
    records = {("MX", "example.test"): ["20 c.test", "10 a.test", "10 b.test", "5 d.test"]}
    orders = {tuple(await hosts_of(records)) for _ in range(60)}
    assert orders == {
        ("d.test", "a.test", "b.test", "c.test"),
        ("d.test", "b.test", "a.test", "c.test"),
    }


async def test_a_domain_without_mx_is_its_own_host() -> None:
    assert await hosts_of({("A", "example.test"): ["192.0.2.1"]}) == ["example.test"]


@pytest.mark.parametrize(
    ("records", "own", "state", "status"),
    [
        ({}, NOBODY, "failed", "5.1.2"),
        ({("MX", "example.test"): ["0 ."]}, NOBODY, "failed", "5.1.10"),
        ({("MX", "example.test"): ["10 a/b"]}, NOBODY, "failed", "5.4.4"),
        ({("MX", "example.test"): ["10 us.test"]}, frozenset({"us.test"}), "failed", "5.4.6"),
    ],
)
async def test_no_host(
    records: dict[tuple[str, str], list[str]], own: frozenset[str], state: str, status: str
) -> None:
    with pytest.raises(NoRoute) as caught:
        await hosts_of(records, own)
    assert (caught.value.state, caught.value.status) == (state, status)


async def test_a_silent_dns_is_for_later() -> None:
    resolver = MemoryResolver()
    resolver.broken = True
    with pytest.raises(NoRoute) as caught:
        await find_exchanges(resolver, "example.test", NOBODY, lambda: b"")
    assert (caught.value.state, caught.value.status) == ("deferred", "4.4.3")


async def test_a_backup_of_ourselves_is_not_tried() -> None:
    records = {("MX", "example.test"): ["5 a.test", "10 us.test", "10 b.test", "20 c.test"]}
    assert await hosts_of(records, frozenset({"us.test"})) == ["a.test"]


async def test_signed_answers_are_told() -> None:
    resolver = MemoryResolver({("MX", "example.test"): ["5 a.test"], ("A", "a.test"): ["9.9.9.9"]})
    resolver.secure = {"example.test", "a.test"}
    (exchange,) = await find_exchanges(resolver, "example.test", NOBODY, lambda: b"")
    assert exchange.secure
    assert (await find_addresses(resolver, "a.test")).secure
    resolver.secure = {"example.test"}
    assert not (await find_addresses(resolver, "a.test")).secure


async def test_addresses_of_both_kinds_in_turn() -> None:
    resolver = MemoryResolver(
        {
            ("A", "a.test"): ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
            ("AAAA", "a.test"): ["2001:db8::1"],
        }
    )
    found = await find_addresses(resolver, "a.test")
    assert found.values == ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    resolver.broken = True
    with pytest.raises(TryLater):
        await find_addresses(resolver, "a.test")


@pytest.mark.parametrize(
    ("route", "address"),
    [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1"), ("a.test", None)],
)
def test_address_literals(route: str, address: str | None) -> None:
    assert literal_address(route) == address


@pytest.mark.parametrize("route", ["[]", "[a.test]", "[IPv6:1.2.3.4]", "[300.1.1.1]", "[x:1]"])
def test_other_literals_cannot_be_reached(route: str) -> None:
    with pytest.raises(NoRoute):
        literal_address(route)


def test_names_are_looked_up_in_a_labels() -> None:
    assert dns_name("Bücher.Test") == "xn--bcher-kva.test"


@given(st.text(max_size=300))
def test_any_route_is_a_name_or_none(route: str) -> None:
    with suppress(NoRoute):
        name = dns_name(route)
        assert name.isascii()
        assert len(name) <= 253


# --- with a DNS and servers on addresses of loopback ---


async def test_the_preferred_host_gets_the_mail(world: World) -> None:
    (outcome,) = await world.send()
    assert (outcome.state, outcome.host) == ("delivered", "mx1.example.test")
    assert (world.first.sessions, world.second.sessions) == (1, 0)


async def test_the_next_host_when_the_first_is_down(world: World) -> None:
    world.first.down()
    (outcome,) = await world.send()
    assert (outcome.state, outcome.host) == ("delivered", "mx2.example.test")


async def test_all_hosts_down(world: World) -> None:
    world.first.down()
    world.second.down()
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status, outcome.reached) == ("deferred", "4.4.1", False)


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", ["421 4.3.2 Busy", "450 4.3.2 Busy"])
async def test_the_next_host_when_the_first_says_later(world: World, step: str, reply: str) -> None:
    world.first.script.always = {step: reply}
    (outcome,) = await world.send()
    assert (outcome.state, outcome.host) == ("delivered", "mx2.example.test")


async def test_only_those_who_wait_go_to_the_next_host(world: World) -> None:
    world.first.script.recipients = {
        "b@example.test": ["450 4.2.0 Greylisted"],
        "c@example.test": ["550 5.1.1 No such user"],
    }
    outcomes = await world.send("a@example.test", "b@example.test", "c@example.test")
    assert [each.state for each in outcomes] == ["delivered", "delivered", "failed"]
    assert [each.recipients for each in world.first.messages] == [["a@example.test"]]
    assert [each.recipients for each in world.second.messages] == [["b@example.test"]]


@pytest.mark.parametrize("reply", ["450 4.3.0 Later", "550 5.7.1 Spam"])
async def test_after_the_content_the_word_of_one_host_counts(world: World, reply: str) -> None:
    world.first.script.always = {".": reply}
    (outcome,) = await world.send()
    assert outcome.text == reply
    assert world.second.sessions == 0


async def test_a_message_that_may_have_arrived_goes_to_no_other_host(world: World) -> None:
    world.first.script.drop = {".": 1}
    (outcome,) = await world.send()
    assert outcome.state == "deferred"
    assert (len(world.first.messages), world.second.sessions) == (1, 0)


async def test_refused_for_good_only_where_all_hosts_refuse(world: World) -> None:
    world.first.script.always = {"GREETING": "554 5.3.2 No mail here"}
    world.second.script.always = {"GREETING": "421 4.3.2 Later"}
    assert (await world.send())[0].state == "deferred"
    world.second.script.always = {"GREETING": "521 5.3.2 No mail here"}
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("failed", "5.3.2")


async def test_two_hosts_that_say_later_are_enough(world: World, make_sink: MakeSink) -> None:
    third = make_sink("127.0.0.4", world.first.port)
    world.dns.records["MX", "example.test"].append("30 mx3.example.test")
    world.dns.records["A", "mx3.example.test"] = ["127.0.0.4"]
    for each in (world.first, world.second):
        each.script.always = {"RCPT": "450 4.2.0 Greylisted"}
    assert (await world.send())[0].state == "deferred"
    assert third.sessions == 0


async def test_an_address_that_does_not_answer_is_followed_by_the_next_one(world: World) -> None:
    world.dns.records["A", "mx1.example.test"] = ["127.0.0.9", "127.0.0.2"]
    assert (await world.send())[0].state == "delivered"
    assert world.first.sessions == 1


async def test_mail_that_loops_back_to_ourselves(world: World) -> None:
    world.first.script.name = world.second.script.name = "Mail.demo.test"
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("failed", "5.4.6")
    world.dns.records["MX", "example.test"] = ["10 mail.demo.test", "20 mx2.example.test"]
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("failed", "5.4.6")


@pytest.mark.parametrize(
    "address", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"]
)
async def test_the_dns_leads_nobody_into_our_own_networks(world: World, address: str) -> None:
    world.sender.set(allow=())
    world.dns.records["A", "mx1.example.test"] = [address]
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("failed", "5.4.4")
    assert "public internet" in outcome.text
    (outcome,) = await world.send("ada@[127.0.0.2]", route="[127.0.0.2]")
    assert (outcome.state, outcome.status) == ("failed", "5.4.4")
    assert world.first.sessions == 0


async def test_a_static_route_may_lead_inside(world: World) -> None:
    world.sender.set(allow=(), routes=(f"example.test={world.second.place}",))
    assert (await world.send())[0].state == "delivered"
    assert world.second.sessions == 1
    assert world.dns.asked == []


async def test_an_address_literal(world: World) -> None:
    (outcome,) = await world.send("ada@[127.0.0.3]", route="[127.0.0.3]")
    assert (outcome.state, outcome.host) == ("delivered", "[127.0.0.3]")
    assert world.second.sessions == 1


async def test_servers_of_the_dns_that_fail(world: World) -> None:
    world.dns.failing = {"example.test"}
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status, outcome.reached) == ("deferred", "4.4.3", False)
    world.dns.failing = {"mx1.example.test"}
    assert (await world.send())[0].host == "mx2.example.test"
    world.dns.failing = {"mx1.example.test", "mx2.example.test"}
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("deferred", "4.4.3")


async def test_a_host_without_address(world: World) -> None:
    del world.dns.records["A", "mx1.example.test"]
    assert (await world.send())[0].host == "mx2.example.test"
    del world.dns.records["A", "mx2.example.test"]
    (outcome,) = await world.send()
    assert (outcome.state, outcome.status) == ("failed", "5.4.4")


async def test_a_domain_that_does_not_exist(world: World) -> None:
    (outcome,) = await world.send("ada@gone.test", route="gone.test")
    assert (outcome.state, outcome.status, outcome.reached) == ("failed", "5.1.2", False)


async def test_connections_come_from_the_address_of_the_settings(world: World) -> None:
    world.sender.set(source_ipv4="127.0.0.77")
    assert (await world.send())[0].state == "delivered"
    world.sender.set(source_ipv4="192.0.2.1")
    assert (await world.send())[0].state == "deferred"

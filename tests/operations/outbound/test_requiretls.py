"""REQUIRETLS (RFC 8689): protected all the way by a server that is known, or returned."""

from __future__ import annotations

import pytest

from tests.operations.outbound.conftest import MakeSink, Sender, World, make_mail, trusting
from tests.support.dns import DnsServer
from tests.support.outside import Authority
from workpost.operations.outbound.tls_policy import Want, want_of

HOSTS = ("mx1.example.test", "mx2.example.test")


@pytest.fixture
def world(dns: DnsServer, make_sink: MakeSink, authority: Authority) -> World:
    made = World(dns, make_sink, context=authority.context_for(*HOSTS), **trusting(authority))
    made.first.script.requiretls = made.second.script.requiretls = True
    dns.secure = {"example.test"}
    return made


async def test_a_signed_host_with_a_good_certificate_that_offers_it(world: World) -> None:
    (outcome,) = await world.send(requiretls=True)
    assert (outcome.state, outcome.tls.endswith(" verified")) == ("delivered", True)
    assert world.first.messages[0].mail.endswith(" REQUIRETLS")


async def test_a_host_that_nothing_proves(world: World) -> None:
    world.dns.secure = set()
    (outcome,) = await world.send(requiretls=True)
    assert (outcome.state, outcome.status) == ("failed", "5.7.10")
    assert world.first.sessions == 0


async def test_the_next_host_where_the_first_does_not_offer_it(world: World) -> None:
    world.first.script.requiretls = False
    assert (await world.send(requiretls=True))[0].host == "mx2.example.test"
    world.second.script.requiretls = False
    (outcome,) = await world.send(requiretls=True)
    assert (outcome.state, outcome.status) == ("failed", "5.7.30")


async def test_a_bad_certificate_or_none(world: World, stranger: Authority) -> None:
    world.first.context = world.second.context = stranger.context_for(*HOSTS)
    (outcome,) = await world.send(requiretls=True)
    assert (outcome.state, outcome.status) == ("failed", "5.7.10")
    world.first.script.starttls = world.second.script.starttls = False
    (outcome,) = await world.send(requiretls=True)
    assert (outcome.state, outcome.status) == ("failed", "5.7.10")
    assert world.first.messages == world.second.messages == []


async def test_a_host_that_is_down_is_waited_for(world: World) -> None:
    world.first.script.requiretls = False
    world.second.down()
    assert (await world.send(requiretls=True))[0].state == "deferred"


async def test_a_setting_does_not_weaken_it(world: World, stranger: Authority) -> None:
    world.first.context = world.second.context = stranger.context_for(*HOSTS)
    world.sender.set(tls=("*=may",))
    assert (await world.send(requiretls=True))[0].state == "failed"
    assert (await world.send())[0].state == "delivered"


async def test_sessions_without_it_are_not_used_for_it(
    make_sink: MakeSink, authority: Authority, stranger: Authority
) -> None:
    sink = make_sink(context=stranger.context_for("localhost"))
    sink.script.requiretls = True
    sender = Sender(routes=(f"*=localhost:{sink.port}",), **trusting(authority)).open()
    assert (await sender.send())[0].state == "delivered"
    assert (await sender.send(requiretls=True))[0].status == "5.7.10"
    sink.context = authority.context_for("localhost")
    assert (await sender.send(requiretls=True))[0].state == "delivered"
    assert [each.mail.endswith("REQUIRETLS") for each in sink.messages] == [False, True]
    await sender.transport.close()


async def test_a_report_goes_as_it_can_rfc8689_5(world: World, make_sink: MakeSink) -> None:
    (outcome,) = await world.send(sender="", requiretls=True)
    assert outcome.state == "delivered"
    assert world.first.messages[0].mail.endswith(" REQUIRETLS")
    plain = make_sink()
    sender = Sender(routes=(f"*={plain.place}",)).open()
    assert (await sender.send(sender="", requiretls=True))[0].state == "delivered"
    assert "REQUIRETLS" not in plain.messages[0].mail


@pytest.mark.parametrize(
    ("header", "never_mind"),
    [
        (b"TLS-Required: No\r\n", True),
        (b"Subject: x\r\ntls-required:no \r\nTo: y\r\n", True),
        (b"TLS-Required: No\r\n matter\r\n", False),
        (b"TLS-Required: Yes\r\n", False),
        (b"Subject: TLS-Required: No\r\n", False),
        (b"Subject: x\r\n\r\nTLS-Required: No\r\n", False),
    ],
)
def test_the_field_tls_required(header: bytes, never_mind: bool) -> None:
    content = header + b"\r\nbody\r\n"
    assert want_of(make_mail(content=content)) == Want(never_mind=never_mind)
    assert want_of(make_mail(content=content, requiretls=True)) == Want(always=True)

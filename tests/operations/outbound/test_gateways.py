"""SMTP gateways: the mail that outbound rules send through them, and what becomes of it."""

from __future__ import annotations

import msgspec
import pytest

from tests.operations.mailflow.mails import received, stories
from tests.operations.mailflow.rulings import add_rule
from tests.operations.outbound.conftest import MakeSink
from tests.operations.outbound.queue_world import THERE, World
from tests.support.directories import Directory
from tests.support.outside import Authority
from tests.support.smtp_sink import Script, SmtpSink
from workpost.domain.organizations import smtp_gateways
from workpost.domain.organizations.flow_rule_shell import delete
from workpost.domain.organizations.flow_rules import DEFAULT, GATEWAY, OUTBOUND
from workpost.domain.organizations.smtp_gateways import Gateway

pytestmark = pytest.mark.parametrize("shared_settings", ["sqlite"], indirect=True)
"""What differs between engines is in the tests of the actions."""

HERE = "localhost"
LOGIN = ("demo", "s3cret é")


@pytest.fixture
def gateway(make_sink: MakeSink, authority: Authority) -> SmtpSink:
    """A server that takes mail of who logs in over TLS."""
    return make_sink(context=authority.context_for(HERE), script=Script(login=LOGIN))


@pytest.fixture
def world(house: Directory, sink: SmtpSink, authority: Authority) -> World:
    """`sink` takes all mail that goes through no gateway."""
    made = World(house, sink)
    trusting(made, authority)
    return made


def trusting(world: World, authority: Authority, *allow: str) -> None:
    outbound = msgspec.structs.replace(
        world.core.settings.outbound,
        ca_file=str(authority.file),
        allow=allow or ("127.0.0.0/8", "::1/128"),
    )
    world.core.settings = msgspec.structs.replace(world.core.settings, outbound=outbound)


def at(sink: SmtpSink, password: str = LOGIN[1], host: str = HERE) -> Gateway:
    return Gateway(name="partner", host=host, port=sink.port, username=LOGIN[0], password=password)


async def route_to(world: World, gateway: Gateway, destinations: str = "*") -> tuple[str, str]:
    """The ids of a gateway and of a rule that leads there."""
    house = world.house
    made = await smtp_gateways.create(house.core, house.grant, gateway)
    rule = await add_rule(house, OUTBOUND, GATEWAY, "*", destinations, gateway=made)
    return made, rule


async def test_mail_goes_through_the_gateway_after_a_login_over_tls(
    world: World, gateway: SmtpSink
) -> None:
    await route_to(world, at(gateway), "elsewhere.example")
    await world.submit(THERE, "eve@other.example", "grace@demo.test")
    await world.work()
    (through,) = gateway.messages
    assert (through.recipients, through.user, through.tls) == ([THERE], LOGIN[0], True)
    (straight,) = world.sink.messages
    assert straight.recipients == ["eve@other.example"]
    assert len(await received(world.house, "grace@demo.test")) == 1
    (applied,) = await stories(world.house, "RULE_APPLIED")
    assert applied["ruleType"] == "OUTBOUND_RULE"
    assert applied["ruleActions"] == [{"action": "SMTP_GATEWAY", "recipients": [THERE]}]
    sent = {one["recipient"]: one["host"] for one in await world.events("OUTGOING_EMAIL_SENT")}
    assert sent[THERE] == HERE
    assert await world.waiting() == []


async def test_recipients_of_one_gateway_share_a_transaction(
    world: World, gateway: SmtpSink
) -> None:
    await route_to(world, at(gateway))
    await world.submit(THERE, "eve@other.example")
    await world.work()
    (through,) = gateway.messages
    assert sorted(through.recipients) == [THERE, "eve@other.example"]


async def test_people_here_are_reached_without_the_gateway(world: World, gateway: SmtpSink) -> None:
    await route_to(world, at(gateway))
    await world.submit("grace@demo.test")
    await world.work()
    assert len(await received(world.house, "grace@demo.test")) == 1
    assert gateway.messages == []


async def test_an_exception_goes_straight(world: World, gateway: SmtpSink) -> None:
    await route_to(world, at(gateway))
    await add_rule(world.house, OUTBOUND, DEFAULT, "*", "elsewhere.example")
    await world.submit()
    await world.work()
    assert (len(gateway.messages), len(world.sink.messages)) == (0, 1)


@pytest.mark.parametrize("trouble", ["certificate", "no TLS", "password"])
async def test_nothing_is_sent_to_a_gateway_that_is_not_safe(
    world: World, make_sink: MakeSink, stranger: Authority, authority: Authority, trouble: str
) -> None:
    whose = stranger if trouble == "certificate" else authority
    context = None if trouble == "no TLS" else whose.context_for(HERE)
    sink = make_sink(context=context, script=Script(login=LOGIN))
    await route_to(world, at(sink, "wrong" if trouble == "password" else LOGIN[1]))
    await world.submit()
    await world.work()
    assert sink.messages == world.sink.messages == []
    assert trouble == "password" or not any(one.startswith("AUTH") for one in sink.commands)
    # Its administrator's to repair; nothing goes back for that.
    (waiting,) = await world.waiting()
    assert waiting["state"] == "waiting"


async def test_a_gateway_that_is_away_sends_mail_back_after_minutes(
    world: World, gateway: SmtpSink
) -> None:
    await route_to(world, at(gateway))
    gateway.down()
    await world.submit()
    await world.work()
    (waiting,) = await world.waiting()
    assert waiting["route"].startswith("gateway:")
    await world.age(0.2)
    await world.work()
    assert await world.waiting() == []
    (report,) = await received(world.house, "ada@demo.test")
    assert THERE.encode() in report
    (bounced,) = await world.events("OUTGOING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["status"] == "4.4.7"
    # The next message is tried at once: nobody notes the gateway as unreachable.
    gateway.up()
    await world.submit()
    await world.work()
    assert len(gateway.messages) == 1


async def test_at_once_if_the_operator_wants_that(world: World, gateway: SmtpSink) -> None:
    world.set(gateway_minutes=0)
    await route_to(world, at(gateway))
    gateway.down()
    await world.submit()
    await world.work()
    assert len(await received(world.house, "ada@demo.test")) == 1


async def test_what_waits_goes_to_where_the_gateway_is_now(
    world: World, gateway: SmtpSink, make_sink: MakeSink, authority: Authority
) -> None:
    made, _ = await route_to(world, at(gateway))
    gateway.down()
    await world.submit()
    await world.work()
    moved = make_sink(context=authority.context_for(HERE), script=Script(login=LOGIN))
    house = world.house
    await smtp_gateways.update(house.core, house.grant, made, at(moved))
    await world.due()
    await world.work()
    assert len(moved.messages) == 1


async def test_what_waits_for_a_gateway_that_was_deleted_goes_back(
    world: World, gateway: SmtpSink
) -> None:
    made, rule = await route_to(world, at(gateway))
    gateway.down()
    await world.submit()
    await world.work()
    house = world.house
    await delete(house.core, house.grant, OUTBOUND, rule)
    await smtp_gateways.delete(house.core, house.grant, made)
    await world.due()
    await world.work()
    (report,) = await received(house, "ada@demo.test")
    assert b"The SMTP gateway is not there any more." in report


async def test_a_gateway_never_leads_into_our_own_networks(
    world: World, gateway: SmtpSink, authority: Authority
) -> None:
    trusting(world, authority, "192.0.2.0/24")
    await route_to(world, at(gateway))
    await world.submit()
    await world.work()
    assert gateway.sessions == 0
    assert len(await received(world.house, "ada@demo.test")) == 1


async def test_tls_comes_first_on_its_port(
    world: World, make_sink: MakeSink, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(login=LOGIN, tls_first=True)
    sink = make_sink(context=authority.context_for(HERE), script=script)
    monkeypatch.setattr("workpost.operations.outbound.ways.IMPLICIT_TLS", sink.port)
    await route_to(world, at(sink))
    await world.submit()
    await world.work()
    assert [one.user for one in sink.messages] == [LOGIN[0]]

"""Forwarded mail on the wire: whose sender it has, and where its bounce goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.mailflow.mails import received
from tests.operations.outbound.queue_world import THERE, World
from tests.support.directories import Directory
from tests.support.mailboxes import house, mail_core, message
from tests.support.smtp_sink import SmtpSink
from tests.support.stores import Run
from workpost.domain.directory.mail_routing import set_forwarding
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope

__all__ = ["house", "mail_core"]

AL = "al@far.example"


@pytest.fixture
def world(run: Run[Any], house: Directory, sink: SmtpSink) -> World:
    async def make() -> World:
        await house.core.store.write(
            set_forwarding, grant=house.grant, identifier="grace", address=THERE, keep_copy=False
        )
        return World(house, sink)

    made: World = run(make())
    return made


async def bring(world: World, sender: str = AL) -> None:
    mail = Envelope(sender=sender, recipients=["grace@demo.test"], helo="far.example")
    await pipeline.receive(world.house.core, mail, message("Lunch?"))


async def test_it_names_the_forwarder_on_top_and_is_sent_under_a_sender_of_ours(
    world: World,
) -> None:
    await bring(world)
    await world.work()
    [got] = world.sink.messages
    assert got.recipients == [THERE]
    assert got.sender.startswith("SRS0=")
    assert got.sender.endswith("=far.example=al@demo.test")
    assert got.content.startswith(b"Delivered-To: grace@demo.test\r\n")
    assert b"Return-Path" not in got.content
    assert got.content.endswith(message("Lunch?"))
    # It comes back: who forwarded it keeps it.
    mail = Envelope(sender=got.sender, recipients=["grace@demo.test"], helo="there.example")
    await pipeline.receive(world.house.core, mail, got.content)
    await world.work()
    assert len(world.sink.messages) == 1
    assert len(await received(world.house, "grace@demo.test")) == 1


@pytest.mark.parametrize("sender", [AL, "ada@demo.test"])
async def test_what_claims_to_be_of_ours_stays_here_unless_that_is_proven(
    world: World, sender: str
) -> None:
    # message() is From ada@demo.test: under a sender of demo.test it would pass DMARC elsewhere.
    mail = Envelope(
        sender=sender, recipients=["grace@demo.test"], helo="far.example", peer="198.51.100.7"
    )
    await pipeline.receive(world.core, mail, message("Pay this"))
    await world.work()
    assert world.sink.messages == []
    assert len(await received(world.house, "grace@demo.test")) == 1
    resolver = world.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records[("TXT", "demo.test")] = ["v=spf1 ip4:198.51.100.7 -all"]
    await pipeline.receive(world.core, mail, message("Lunch?"))
    await world.work()
    assert len(world.sink.messages) == (0 if sender == AL else 1)


async def test_its_bounce_goes_to_whoever_wrote_it(world: World) -> None:
    world.sink.script.recipients = {THERE: ["550 5.1.1 No such person"]}
    await bring(world)
    await world.work()
    await world.due()
    await world.work()
    reports = [got for got in world.sink.messages if got.recipients == [AL]]
    waiting = [one for one in await world.waiting() if one["recipient"] == AL]
    assert len(reports) + len(waiting) == 1
    assert all(got.sender == "" for got in reports)
    assert await received(world.house, "grace@demo.test") == []

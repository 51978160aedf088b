"""Mail for elsewhere through queue, runner and real sockets: each recipient ends in one place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.operations.mailflow.mails import received
from tests.operations.outbound.queue_world import THERE, World
from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, mail_core, message
from tests.support.smtp_sink import SmtpSink
from tests.support.stores import Run
from workpost.domain.messages.delivery import Outgoing, insert_outgoing
from workpost.domain.organizations import suppression
from workpost.operations.outbound.report_mailing import prepare_report
from workpost.store.database.unit import Tx, command

__all__ = ["ada", "house", "mail_core"]


@pytest.fixture
def world(run: Run[Any], house: Directory, sink: SmtpSink) -> World:
    async def make() -> World:
        return World(house, sink)

    made: World = run(make())
    return made


async def test_a_message_leaves_byte_for_byte_under_our_trace_fields_alone(world: World) -> None:
    trace = await world.submit()
    await world.work()
    [got] = world.sink.messages
    assert (got.sender, got.recipients) == ("ada@demo.test", [THERE])
    assert got.content.endswith(message("Lunch?"))
    head = got.content.removesuffix(message("Lunch?"))
    assert head.startswith(b"Received: ")
    assert b"Return-Path" not in head
    assert await world.waiting() == []
    [told] = await world.events("OUTGOING_EMAIL_SENT")
    assert (told["traceId"], told["recipient"]) == (trace, THERE)
    assert await world.house.run("SELECT id FROM queue") == []


async def test_recipients_of_one_destination_go_together(world: World) -> None:
    people = [f"user{n}@elsewhere.example" for n in range(3)] + ["one@other.example"]
    await world.submit(*people)
    await world.work()
    assert sorted(len(got.recipients) for got in world.sink.messages) == [1, 3]


async def test_each_recipient_has_its_own_end(world: World) -> None:
    people = [f"{name}@elsewhere.example" for name in ("good", "gone", "late")]
    world.sink.script.recipients = {
        people[1]: ["550 5.1.1 No such person"],
        people[2]: ["451 4.7.1 Come back later"],
    }
    await world.submit(*people)
    await world.work()
    assert [got.recipients for got in world.sink.messages] == [[people[0]]]
    [left] = await world.waiting()
    assert (left["recipient"], left["state"], left["attempts"]) == (people[2], "waiting", 1)
    assert "Come back later" in left["last"]
    [raw] = await received(world.house, "ada@demo.test")
    assert b"gone@elsewhere.example: There is no mailbox with this address." in raw
    assert b"550 5.1.1 No such person" in raw
    assert b"good@" not in raw
    world.sink.script.recipients = {}
    await world.due()
    await world.work()
    assert [got.recipients for got in world.sink.messages] == [[people[0]], [people[2]]]
    assert await world.waiting() == []


async def test_a_destination_that_is_down_is_tried_again_and_nothing_is_sent_twice(
    world: World,
) -> None:
    world.sink.down()
    await world.submit()
    await world.work()
    [left] = await world.waiting()
    assert (left["state"], left["attempts"]) == ("waiting", 1)
    world.sink.up()
    await world.due()
    await world.work()
    assert len(world.sink.messages) == 1
    assert await world.waiting() == []


async def test_a_connection_dropped_before_the_end_of_data_is_tried_again(world: World) -> None:
    world.sink.script.drop = {"CONTENT": 1}
    await world.submit(raw=message("Large", size=300_000))
    await world.work()
    assert world.sink.messages == []
    await world.due()
    await world.work()
    assert len(world.sink.messages) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "."])
async def test_4xx_at_any_step_then_2xx(world: World, step: str) -> None:
    world.sink.script.replies = {step: ["451 4.3.0 Not now"]}
    await world.submit()
    await world.work()
    assert len(await world.waiting()) == 1
    await world.due()
    await world.work()
    assert len(world.sink.messages) == 1


async def test_after_four_hours_a_sender_here_hears_once_that_mail_is_late(world: World) -> None:
    world.sink.script.always = {"RCPT": "450 4.2.1 Busy"}
    await world.submit()
    await world.work()
    assert await received(world.house, "ada@demo.test") == []
    await world.age(4)
    await world.work()
    [raw] = await received(world.house, "ada@demo.test")
    assert b"Subject: Delivery Status Notification (Delay): Lunch?" in raw
    assert b"You need not send it again." in raw
    assert b"Action: delayed" in raw
    assert b"Will-Retry-Until: " in raw
    await world.age(4)
    await world.work()
    assert len(await received(world.house, "ada@demo.test")) == 1
    [told] = await world.events("OUTGOING_EMAIL_DELAYED")
    assert told["bouncedRecipient"]["emailAddress"] == THERE


async def test_after_five_days_it_goes_back_with_the_last_reply(world: World) -> None:
    world.sink.script.always = {"RCPT": "450 4.2.1 Busy"}
    await world.submit()
    await world.age(120)
    await world.work()
    assert await world.waiting() == []
    [raw] = await received(world.house, "ada@demo.test")
    assert b"Action: failed" in raw
    assert b"Status: 4.4.7" in raw
    assert b"450 4.2.1 Busy" in raw


@pytest.mark.parametrize("unreached", [False, True])
async def test_mail_held_for_its_sender_is_late_only_from_when_it_was_to_go(
    world: World, unreached: bool
) -> None:
    days = 6 * 86_400_000
    world.sink.script.always = {"RCPT": "450 4.2.1 Busy"}
    await world.submit(hold_until=world.core.env.now() + days)
    await world.house.change(
        "UPDATE queue SET created = created - ?, hold_until = hold_until - ?", days, days
    )
    await world.due()
    if unreached:
        await world.house.change(
            "INSERT INTO queue_route (route, since, until, failures, status, reason) VALUES"
            " ('elsewhere.example', 1, ?, 3, '4.4.1', 'no answer')",
            world.core.env.now() + 3_600_000,
        )
    await world.work()
    assert len(await world.waiting()) == 1
    assert await received(world.house, "ada@demo.test") == []
    await world.house.change("UPDATE queue SET hold_until = hold_until - ?", days)
    await world.due()
    await world.work()
    assert await world.waiting() == []
    assert b"Status: 4.4.7" in (await received(world.house, "ada@demo.test"))[0]


async def test_who_does_not_want_to_hear_does_not_rfc3461(world: World) -> None:
    from workpost.operations.mailflow.envelope import Wish

    world.sink.script.always = {"RCPT": "550 5.1.1 No"}
    await world.submit(wishes={THERE: Wish(("NEVER",))})
    await world.work()
    assert await received(world.house, "ada@demo.test") == []
    [told] = await world.events("OUTGOING_EMAIL_BOUNCED")
    assert told["report"] == "none: the sender asked not to hear of it"


@pytest.mark.parametrize("knows_dsn", [True, False])
async def test_success_is_reported_by_us_only_where_the_next_server_cannot(
    world: World, knows_dsn: bool
) -> None:
    from workpost.operations.mailflow.envelope import Wish

    if not knows_dsn:
        world.sink.script.extensions = ("PIPELINING", "8BITMIME")
    wish = Wish(("SUCCESS",), "rfc822;bob+2Bx@elsewhere.example")
    await world.submit(wishes={THERE: wish}, envid="QQ+2B1", ret="HDRS")
    await world.work()
    [got] = world.sink.messages
    found = await received(world.house, "ada@demo.test")
    assert len(found) == (0 if knows_dsn else 1)
    if knows_dsn:
        assert "ENVID=QQ+2B1" in got.mail
        assert "NOTIFY=SUCCESS" in got.rcpt[0]
    else:
        [raw] = found
        assert b"Action: relayed" in raw
        assert b"Original-Recipient: rfc822; bob+x@elsewhere.example" in raw
        assert b"Original-Envelope-Id: QQ+1" in raw


async def test_an_address_that_does_not_exist_is_suppressed_until_removed(world: World) -> None:
    world.sink.script.recipients = {THERE: ["550 5.1.1 No such person"]}
    await world.submit()
    await world.work()
    organization = world.house.organization
    [listed] = await suppression.list_suppressed(world.core, organization)
    assert (listed.address, listed.source) == (THERE, "bounce")
    world.sink.script.recipients = {}
    await world.submit(THERE, "carol@elsewhere.example")
    await world.work()
    assert [got.recipients for got in world.sink.messages] == [["carol@elsewhere.example"]]
    reports = await received(world.house, "ada@demo.test")
    assert b"Nothing is sent to this address for now" in reports[1]
    assert await suppression.remove(world.core, organization, THERE.upper())
    await world.submit()
    await world.work()
    assert world.sink.messages[-1].recipients == [THERE]


async def test_mail_from_the_null_sender_is_never_bounced(world: World) -> None:
    world.sink.script.always = {"RCPT": "550 5.1.1 No such person"}
    await world.house.change("UPDATE mailbox SET quota = 0")
    from workpost.operations.mailflow import pipeline
    from workpost.operations.mailflow.envelope import Envelope

    bob = Envelope(sender=THERE, recipients=["grace@demo.test"])
    await pipeline.receive(world.core, bob, message())
    await world.house.change("UPDATE queue SET created = created - 90000000")
    await world.house.change("UPDATE queue_rcpt SET due = 0")
    await world.work()
    [waiting] = await world.waiting()
    assert (waiting["sender"], waiting["recipient"]) == ("", THERE)
    await world.work()
    assert world.sink.commands.count("MAIL FROM:<>") >= 1 or any(
        line.startswith("MAIL FROM:<>") for line in world.sink.commands
    )
    assert await world.waiting() == []
    [told] = await world.events("OUTGOING_EMAIL_BOUNCED")
    assert told["report"] == "none: the message came from the null sender"


async def test_the_runner_wakes_when_mail_comes_and_drains_when_stopped(world: World) -> None:
    running = asyncio.ensure_future(world.runner.run())
    try:
        await asyncio.sleep(0.1)
        await world.submit()
        for _ in range(3_000):
            if world.sink.messages:
                break
            await asyncio.sleep(0.01)
        assert len(world.sink.messages) == 1
        world.sink.script.delay = {".": 0.5}
        await world.submit()
        for _ in range(3000):
            if world.sink.commands.count("DATA") == 2:
                break
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(world.sink.messages) == 2
    assert await world.waiting() == []


async def test_a_report_shows_no_body_that_was_to_go_over_tls_alone_rfc8689_5(world: World) -> None:
    await world.submit(requiretls=True, ret="FULL")
    await world.work()
    assert world.sink.messages == []
    [report] = await received(world.house, "ada@demo.test")
    assert b"Status: 5.7.10" in report
    assert b"From: Mail delivery <postmaster@demo.test>\r\n" in report
    assert b"Subject: Lunch?" in report
    assert b"Good morning." not in report


async def test_a_report_to_a_stranger_that_fails_brings_nobody_mail(world: World) -> None:
    world.sink.script.always = {"RCPT": "550 5.1.1 No such person"}
    made = await prepare_report(
        world.core,
        contact="ada@demo.test",
        organization=world.house.organization,
        to=THERE,
        raw=message("Report"),
    )
    assert made is not None
    await world.core.store.write(put, mail=made)
    await world.work()
    assert await world.waiting() == []
    assert await received(world.house, "ada@demo.test") == []
    [told] = await world.events("OUTGOING_EMAIL_BOUNCED")
    assert told["bouncedRecipient"]["emailAddress"] == THERE


@command
def put(tx: Tx, *, mail: Outgoing) -> None:
    insert_outgoing(tx, mail)

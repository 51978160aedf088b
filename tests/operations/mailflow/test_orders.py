"""What operators order the queue to do, and senders who take their mail back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.mails import envelope, received, stories
from tests.support.directories import Directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from workpost.formats.dates import format_date
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import orders, pipeline
from workpost.operations.mailflow.envelope import Wish
from workpost.operations.mailflow.listing import list_queue, show_entry
from workpost.operations.mailflow.orders import named, take_back
from workpost.operations.mailflow.runner import deliver_one
from workpost.store.tables.queue_orders import Choice

BOB, CAROL = "bob@elsewhere.example", "carol@other.example"
LATER = 3_600_000


async def queue_mail(house: Directory, ada: Grant, *recipients: str, **more: Any) -> str:
    return await pipeline.submit(
        house.core, ada, envelope(*(recipients or (BOB, CAROL))), message("Lunch?"), **more
    )


async def states(house: Directory) -> dict[str, str]:
    return {one["recipient"]: one["state"] for one in await list_queue(house.core)}


@pytest.mark.parametrize("which", ["", "x", "12x", "9" * 20, "<id@host>"])
def test_a_message_is_named_by_trace_id_or_queue_id(which: str) -> None:
    assert named("0123456789ABCDEF") == Choice(trace="0123456789abcdef")
    assert named("457117464642301995") == Choice(queue=457117464642301995)
    with pytest.raises(InvalidParameter):
        named(which)


async def test_hold_and_retry_by_trace_domain_and_organization(
    house: Directory, ada: Grant
) -> None:
    trace = await queue_mail(house, ada)
    await queue_mail(house, ada, "dora@other.example")
    done = await orders.hold(house.core, named(trace))
    assert (done.changed, done.busy) == (2, 0)
    assert await states(house) == {BOB: "held", CAROL: "held", "dora@other.example": "waiting"}
    assert (await orders.retry(house.core, Choice(route="other.example"))).changed == 2
    assert (await states(house))[CAROL] == "waiting"
    assert (await orders.hold(house.core, Choice(organization="m-0"))).changed == 0
    assert (await orders.hold(house.core, Choice(organization=house.organization))).changed == 3
    await house.change("INSERT INTO queue_route (route, since, until, failures, status, reason)"
                       " VALUES ('elsewhere.example', 1, 2, 3, '4.4.1', 'no answer')")  # fmt: skip
    [shown] = await show_entry(house.core, named(trace))
    assert [one["recipient"] for one in shown["recipients"]] == [BOB, CAROL]
    assert shown["unreached"] == {"elsewhere.example": "no answer"}
    await orders.retry(house.core, Choice())
    assert await house.run("SELECT route FROM queue_route") == []
    assert set((await states(house)).values()) == {"waiting"}


async def test_rows_that_somebody_works_on_are_left_alone(house: Directory, ada: Grant) -> None:
    await queue_mail(house, ada)
    await house.change("UPDATE queue_rcpt SET state = 'leased', fence = 7 WHERE n = 0")
    for order in (orders.hold, orders.retry, orders.drop):
        done = await order(house.core, Choice())
        assert (done.changed, done.busy) == (1, 1)
    left = await states(house)
    assert left[BOB] == "leased"
    assert CAROL not in left


async def test_what_is_dropped_is_told_to_its_sender(house: Directory, ada: Grant) -> None:
    trace = await queue_mail(house, ada)
    done = await orders.drop(house.core, named(trace))
    assert done.changed == 2
    while await deliver_one(house.core):
        pass
    assert await list_queue(house.core) == []
    [raw] = await received(house, "ada@demo.test")
    assert b"An administrator took the message out of the queue." in raw
    assert b"Final-Recipient: rfc822; " + BOB.encode() in raw
    assert [story["traceId"] for story in await stories(house, "OUTGOING_EMAIL_BOUNCED")] == [
        trace,
        trace,
    ]
    assert await house.run("SELECT id FROM queue") == []
    await assert_numbers_are_true(house)


async def test_what_is_dropped_silently_is_only_in_the_events(house: Directory, ada: Grant) -> None:
    await queue_mail(house, ada)
    await orders.drop(house.core, Choice(route="elsewhere.example"), silent=True)
    assert await states(house) == {CAROL: "waiting"}
    [story] = await stories(house, "OUTGOING_EMAIL_BOUNCED")
    assert story["report"] == "none: the operator wanted none"


async def test_what_does_not_open_can_be_dropped(house: Directory, ada: Grant) -> None:
    await queue_mail(house, ada)
    await house.change("UPDATE queue SET wrapped_key = sealed_envelope")
    assert (await orders.drop(house.core, Choice())).changed == 2
    assert await house.run("SELECT id FROM queue") == []


async def test_held_mail_reaches_nobody_and_can_be_taken_back(house: Directory, ada: Grant) -> None:
    until = house.core.env.now() + LATER
    trace = await queue_mail(house, ada, BOB, "grace@demo.test", hold_until=until)
    assert not await deliver_one(house.core)
    assert await received(house, "grace@demo.test") == []
    [shown] = await show_entry(house.core, named(trace))
    assert shown["hold_until"] == until
    [submitted] = await stories(house, "OUTGOING_EMAIL_SUBMITTED")
    assert submitted["heldUntil"] == format_date(until / 1000)
    grace = await log_in(house.core, "grace@demo.test")
    assert not await take_back(house.core, grace, trace)
    assert await take_back(house.core, ada, trace)
    assert not await take_back(house.core, ada, trace)
    assert await list_queue(house.core) == []
    assert await house.run("SELECT id FROM queue") == []
    [story] = await stories(house, "OUTGOING_EMAIL_TAKEN_BACK")
    assert story["traceId"] == trace


async def test_once_its_time_is_over_it_goes_and_cannot_be_taken_back(
    house: Directory, ada: Grant
) -> None:
    until = house.core.env.now() - 1
    trace = await queue_mail(house, ada, BOB, "grace@demo.test", hold_until=until)
    assert await deliver_one(house.core)
    assert len(await received(house, "grace@demo.test")) == 1
    assert not await take_back(house.core, ada, trace)
    assert await states(house) == {BOB: "waiting"}


async def test_held_mail_waits_a_whole_day_for_room_and_came_when_it_was_let_go(
    house: Directory, ada: Grant
) -> None:
    grace = await log_in(house.core, "grace@demo.test")
    days = 3 * 86_400_000
    until = house.core.env.now() + days
    await queue_mail(house, ada, "grace@demo.test", hold_until=until)
    await house.change("UPDATE mailbox SET quota = 0 WHERE id = ?", grace.mailbox)
    await house.change("UPDATE queue SET created = created - ?, hold_until = ?", days, until - days)
    await house.change("UPDATE queue_rcpt SET due = 0")
    assert await deliver_one(house.core)
    assert await states(house) == {"grace@demo.test": "waiting"}
    await house.change("UPDATE mailbox SET quota = 1000000")
    await house.change("UPDATE queue_rcpt SET due = 0")
    assert await deliver_one(house.core)
    [(came,)] = await house.run("SELECT received FROM item WHERE mailbox = ?", grace.mailbox)
    assert came == until - days


async def test_what_an_operator_sent_on_cannot_be_taken_back(house: Directory, ada: Grant) -> None:
    until = house.core.env.now() + LATER
    trace = await queue_mail(house, ada, BOB, hold_until=until)
    await orders.retry(house.core, named(trace))
    assert not await take_back(house.core, ada, trace)
    [(due, hold_until)] = await house.run(
        "SELECT r.due, q.hold_until FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
    )
    # It is late only from now on.
    assert due == hold_until < until


async def test_an_order_about_many_leaves_what_is_held_for_its_sender(
    house: Directory, ada: Grant
) -> None:
    until = house.core.env.now() + LATER
    trace = await queue_mail(house, ada, BOB, hold_until=until)
    await queue_mail(house, ada, CAROL)
    await orders.hold(house.core, Choice())
    assert (await orders.retry(house.core, Choice())).changed == 2
    due = {one["recipient"]: one["due"] for one in await list_queue(house.core)}
    assert due[BOB] == until > due[CAROL]
    assert set((await states(house)).values()) == {"waiting"}
    assert await take_back(house.core, ada, trace)


async def test_only_what_was_submitted_to_be_held_can_be_taken_back(
    house: Directory, ada: Grant
) -> None:
    trace = await queue_mail(house, ada)
    assert not await take_back(house.core, ada, trace)
    assert not await take_back(house.core, ada, "0" * 16)
    assert len(await states(house)) == 2


async def test_who_asked_hears_of_success_here_too_rfc3461(house: Directory, ada: Grant) -> None:
    for name in ("barbara", "carl", "dora"):
        await house.user(name)
    await house.group("both", "barbara", "carl")
    late = await log_in(house.core, "dora@demo.test")
    await house.change("UPDATE mailbox SET quota = 0 WHERE id = ?", late.mailbox)
    wish = Wish(("SUCCESS", "FAILURE"), "rfc822;g@demo.test")
    people = ["grace@demo.test", "both@demo.test", "dora@demo.test"]
    fresh = await log_in(house.core, "ada@demo.test")
    asked = msgspec.structs.replace(envelope(*people), wishes=dict.fromkeys(people, wish))
    await pipeline.submit(house.core, fresh, asked, message())
    await house.change("UPDATE mailbox SET quota = 1000000")
    await house.change("UPDATE queue_rcpt SET due = 0")
    while await deliver_one(house.core):
        pass
    told = {
        raw.partition(b"Final-Recipient: rfc822; ")[2].partition(b"\r\n")[0].decode():
        raw.partition(b"Action: ")[2].partition(b"\r\n")[0].decode()
        for raw in await received(house, "ada@demo.test")
    }  # fmt: skip
    assert told == {
        "grace@demo.test": "delivered",
        "both@demo.test": "expanded",
        "dora@demo.test": "delivered",
    }

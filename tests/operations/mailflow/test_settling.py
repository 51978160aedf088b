"""The local queue: batches, mailboxes without room, mailboxes that are gone, rows that fail."""

from __future__ import annotations

import asyncio
import time
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest

from tests.operations.mailflow.mails import envelope, received, stories
from tests.support.directories import Directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Settlement
from workpost.domain.messages.shell import mailbox_keys
from workpost.kernel.errors import (
    Busy,
    Fault,
    InvalidParameter,
    KeyDestroyed,
    QuotaExceeded,
    TryLater,
)
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import (
    bounces,
    entries,
    pipeline,
    placing,
    reports,
    runner,
    settling,
)
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.queueing import lease_due
from workpost.operations.mailflow.runner import deliver_one
from workpost.operations.mailflow.settling import open_leased
from workpost.operations.upkeep import rotation
from workpost.store.tables.queue_kinds import LOCAL

BOUNCED = bounces.BOUNCED


async def fill(house: Directory, address: str) -> int:
    """Leave no room in a person's mailbox; returns its id."""
    grant = await log_in(house.core, address)
    await house.change("UPDATE mailbox SET quota = 0 WHERE id = ?", grant.mailbox)
    return grant.mailbox


async def age(house: Directory, *, days: int = 1) -> None:
    """Make everything in the queue older, and due."""
    await house.change("UPDATE queue SET created = created - ?", days * 86_400_000)
    await house.change("UPDATE queue_rcpt SET due = 0")


async def waiting(house: Directory) -> list[tuple[object, object]]:
    return [(one["recipient"], one["state"]) for one in await list_queue(house.core)]


async def rows(house: Directory) -> int:
    return len(await house.run("SELECT n FROM queue_rcpt"))


def parts(raw: bytes) -> list[Message]:
    return list(message_from_bytes(raw).walk())


async def outside(
    house: Directory, *recipients: str, sender: str = "bob@elsewhere.example"
) -> None:
    await pipeline.receive(
        house.core, Envelope(sender=sender, recipients=list(recipients)), message()
    )


async def test_of_a_batch_only_those_without_room_wait_on_invariant_3(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "BATCH", 3)
    people = [await house.user(f"user{n}") for n in range(27)]
    await house.group("all", *people)
    late = sorted([await fill(house, "user5@demo.test"), await fill(house, "user24@demo.test")])
    fresh = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, fresh, envelope("all@demo.test"), message())
    assert await rows(house) == 3
    while await deliver_one(house.core):
        pass
    assert len(await house.run("SELECT id FROM item")) == 25
    assert len(await waiting(house)) == 2
    assert await house.run("SELECT DISTINCT state FROM queue_rcpt") == [("waiting",)]
    now = house.core.env.now()
    due = await house.run("SELECT due FROM queue_rcpt")
    assert all(now + 800_000 < one <= now + 1_000_000 for (one,) in due)
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", late[0])
    await house.change("UPDATE queue_rcpt SET due = 0")
    while await deliver_one(house.core):
        pass
    assert len(await waiting(house)) == 1
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", late[1])
    await house.change("UPDATE queue_rcpt SET due = 0")
    while await deliver_one(house.core):
        pass
    counts = await house.run("SELECT mailbox, COUNT(*) FROM item GROUP BY mailbox")
    assert (len(counts), {count for _, count in counts}) == (27, {1})
    assert await house.run("SELECT id FROM queue") == []
    await assert_numbers_are_true(house)


async def test_who_lost_the_lease_delivers_nothing(house: Directory, ada: Grant) -> None:
    grace = await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", grace)
    leases = []
    [(entry,)] = await house.run("SELECT id FROM queue")
    for fence in (1, 2):
        lease = await house.core.store.write(
            lease_due, route=LOCAL, entry=entry, limit=1, lease_ms=60_000, fence=fence
        )
        assert lease is not None
        leases.append(await settling.open_leased(house.core, lease))
        await house.change("UPDATE queue_rcpt SET lease_until = 1")
    await settling.settle(house.core, leases[0])
    assert await received(house, "grace@demo.test") == []
    await settling.settle(house.core, leases[1])
    await settling.settle(house.core, leases[1])
    assert len(await received(house, "grace@demo.test")) == 1


async def test_batches_move_to_a_new_key_of_the_organization(house: Directory, ada: Grant) -> None:
    grace = await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await rotation.rotate_organization(house.core, house.organization)
    assert await house.run("SELECT gen FROM queue") == [(2,)]
    assert await waiting(house) == [("grace@demo.test", "waiting")]
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", grace)
    assert await deliver_one(house.core)
    assert len(await received(house, "grace@demo.test")) == 1


async def test_a_mailbox_that_fills_up_meanwhile_is_looked_at_again(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.group("both", "ada", "grace")
    grace = await fill(house, "grace@demo.test")
    await fill(house, "ada@demo.test")
    fresh = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, fresh, envelope("both@demo.test"), message())
    await house.change("UPDATE mailbox SET quota = 1000000")
    decide, rounds = settling._decide, 0

    async def late(core: Any, opened: Any, *, redirects: bool) -> Settlement:
        nonlocal rounds
        rounds += 1
        made = await decide(core, opened, redirects=redirects)
        await house.change("UPDATE mailbox SET quota = 0 WHERE id = ?", grace)
        return made

    monkeypatch.setattr(settling, "_decide", late)
    assert await deliver_one(house.core)
    assert rounds == 2
    assert len(await received(house, "ada@demo.test")) == 1
    assert await waiting(house) == [("grace@demo.test", "waiting")]
    await assert_numbers_are_true(house)


async def test_mailboxes_that_never_come_to_rest_put_the_row_off(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())

    write = house.core.store.write_background

    async def refuse(command: Any, **values: Any) -> Any:
        if command is delivery.settle_queued:
            raise QuotaExceeded
        return await write(command, **values)

    monkeypatch.setattr(house.core.store, "write_background", refuse)
    assert await deliver_one(house.core)
    assert await waiting(house) == [("grace@demo.test", "waiting")]
    assert not await deliver_one(house.core)


async def test_after_a_day_a_sender_here_gets_a_report_rfc3464_decision_19(
    house: Directory, ada: Grant
) -> None:
    await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("Lunch?"))
    await age(house)
    assert await deliver_one(house.core)
    assert await list_queue(house.core) == []
    (raw,) = await received(house, "ada@demo.test")
    assert raw.startswith(b"Return-Path: <>\r\nReceived: ")
    report, text, status, *_, returned, header = parts(raw)
    assert report.get_content_type() == "multipart/report"
    assert report["To"] == "ada@demo.test"
    assert "grace@demo.test: The mailbox is full." in text.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    assert b"Final-Recipient: rfc822; grace@demo.test" in raw
    assert b"Action: failed" in raw
    assert b"Status: 5.2.2" in raw
    assert returned.get_content_type() == "message/rfc822"
    assert header["Subject"] == "Lunch?"
    assert header["Return-Path"] is None
    (story,) = await stories(house, BOUNCED)
    assert story["bouncedRecipient"]["emailAddress"] == "grace@demo.test"
    assert (story["from"], story["report"]) == ("ada@demo.test", "sent")
    await assert_numbers_are_true(house)


async def test_a_report_that_finds_no_room_waits_and_ends_without_another(
    house: Directory, ada: Grant
) -> None:
    await fill(house, "grace@demo.test")
    await fill(house, "ada@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await age(house)
    assert await deliver_one(house.core)
    assert await waiting(house) == [("ada@demo.test", "waiting")]
    await age(house)
    assert await deliver_one(house.core)
    assert await list_queue(house.core) == []
    assert [story["report"] for story in await stories(house, BOUNCED)] == [
        "sent",
        reports.NULL_SENDER,
    ]
    assert await house.run("SELECT id FROM item") == []


async def test_senders_elsewhere_get_a_report_and_senders_who_left_are_only_in_the_event(
    house: Directory,
) -> None:
    await fill(house, "grace@demo.test")
    await outside(house, "grace@demo.test", sender="bob@elsewhere.example")
    await outside(house, "grace@demo.test", sender="nobody@demo.test")
    await outside(house, "grace@demo.test", sender="")
    await age(house)
    while await deliver_one(house.core):
        pass
    [queued] = await list_queue(house.core)
    assert (queued["sender"], queued["recipient"]) == ("", "bob@elsewhere.example")
    assert (queued["route"], queued["state"]) == ("elsewhere.example", "waiting")
    assert await house.run("SELECT id FROM item") == []
    told = [story["report"] for story in await stories(house, BOUNCED)]
    assert sorted(told) == sorted([reports.SENT, reports.NOBODY, reports.NULL_SENDER])


async def test_a_sender_who_fits_in_no_report_is_only_in_the_event(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> bytes:
        raise ValueError

    monkeypatch.setattr(reports, "compose_report", refuse)
    await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await age(house)
    assert await deliver_one(house.core)
    assert [story["report"] for story in await stories(house, BOUNCED)] == [reports.UNFIT]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE mailbox SET state = 'PURGING' WHERE id = ?", "5.1.1"),
        ("DELETE FROM mailbox WHERE id = ?", "5.1.1"),
    ],
)
async def test_a_destroyed_mailbox_ends_at_once(
    house: Directory, ada: Grant, change: str, status: str
) -> None:
    grace = await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change(change, grace)
    assert await deliver_one(house.core)
    assert await list_queue(house.core) == []
    assert status.encode() in (await received(house, "ada@demo.test"))[0]


async def test_a_shredded_mailbox_ends_at_once(house: Directory, ada: Grant) -> None:
    grace = await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change("UPDATE mailbox SET quota = 1000000")
    await house.core.keys.shred_mailbox(house.organization, grace)
    assert await deliver_one(house.core)
    assert await list_queue(house.core) == []
    assert len(await received(house, "ada@demo.test")) == 1


async def test_a_disabled_mailbox_has_a_day(house: Directory, ada: Grant) -> None:
    grace = await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change("UPDATE mailbox SET state = 'DISABLED' WHERE id = ?", grace)
    assert await deliver_one(house.core)
    assert await waiting(house) == [("grace@demo.test", "waiting")]
    await age(house)
    assert await deliver_one(house.core)
    assert b"5.2.1" in (await received(house, "ada@demo.test"))[0]


async def test_mailboxes_whose_keys_fail_are_held_after_a_day_the_others_are_not(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.user("barbara")
    broken = await fill(house, "grace@demo.test")
    await fill(house, "barbara@demo.test")
    fresh = await log_in(house.core, "ada@demo.test")
    both = envelope("grace@demo.test", "barbara@demo.test")
    await pipeline.submit(house.core, fresh, both, message())
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", broken)
    real = mailbox_keys

    async def fail(core: Any, organization: str, mailbox: int) -> Any:
        if mailbox == broken:
            raise Fault("the key does not open")
        return await real(core, organization, mailbox)

    monkeypatch.setattr(settling, "mailbox_keys", fail)
    assert await deliver_one(house.core)
    assert sorted(await waiting(house)) == [
        ("barbara@demo.test", "waiting"),
        ("grace@demo.test", "waiting"),
    ]
    await age(house)
    assert await deliver_one(house.core)
    assert await waiting(house) == [("grace@demo.test", "held")]
    assert len(await received(house, "ada@demo.test")) == 1


@pytest.mark.parametrize(
    ("column", "other"),
    [("wrapped_key", "sealed_envelope"), ("sealed_envelope", "wrapped_key")],
)
async def test_a_row_that_does_not_open_backs_off_and_is_held_after_a_day(
    house: Directory, ada: Grant, column: str, other: str
) -> None:
    await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change(f"UPDATE queue SET {column} = {other}")
    delays = []
    for _ in range(3):
        await house.change("UPDATE queue_rcpt SET due = 0")
        assert await deliver_one(house.core)
        [(due,)] = await house.run("SELECT due FROM queue_rcpt")
        delays.append(round((due - time.time() * 1000) / 60_000))
    assert delays == [1, 2, 4]
    await age(house)
    assert await deliver_one(house.core)
    (shown,) = await list_queue(house.core)
    assert shown["state"] == "held"
    assert ("error" in shown) == (column == "sealed_envelope")
    assert not await deliver_one(house.core)


async def test_a_row_of_an_unknown_form_is_put_off(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(house, "grace@demo.test")
    monkeypatch.setattr(entries, "encode", lambda _: b"\xc0")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert await deliver_one(house.core)
    (shown,) = await list_queue(house.core)
    assert (shown["state"], shown["recipient"]) == ("waiting", None)


async def test_mail_of_a_shredded_organization_ends(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())

    async def gone(*_: object) -> None:
        raise KeyDestroyed("gone")

    monkeypatch.setattr(house.core.keys, "organization", gone)
    assert await deliver_one(house.core)
    assert await house.run("SELECT id FROM queue") == []


async def test_what_a_dead_runner_had_in_hand_goes_on_however_much_is_due(
    house: Directory, ada: Grant
) -> None:
    grace = await fill(house, "grace@demo.test")
    for subject in ("First", "Second", "Third"):
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message(subject))
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", grace)
    await house.change(
        "UPDATE queue_rcpt SET state = 'leased', lease_until = 1, fence = 5, attempts = 1, due = 0"
        " WHERE queue = (SELECT MIN(queue) FROM queue_rcpt)"
    )
    for _ in range(2):
        assert await deliver_one(house.core)
    left = await house.run("SELECT state, attempts FROM queue_rcpt")
    assert left == [("waiting", 0)]


@pytest.mark.parametrize("error", [RecursionError(), InvalidParameter("no"), Busy("scripts")])
async def test_a_row_that_makes_us_fail_backs_off_and_keeps_nobody_else_waiting(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    grace = await fill(house, "grace@demo.test")
    for subject in ("Poison", "Lunch?"):
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message(subject))
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", grace)
    real = open_leased

    async def failing(core: Any, lease: Any) -> Any:
        opened = await real(core, lease)
        if opened.summary.subject == "Poison":
            raise error
        return opened

    monkeypatch.setattr(runner, "open_leased", failing)
    while await deliver_one(house.core):
        pass
    assert len(await received(house, "grace@demo.test")) == 1
    [(state, later)] = await house.run(
        "SELECT state, due > ? FROM queue_rcpt", house.core.env.now()
    )
    assert (state, bool(later)) == ("waiting", True)
    # After a day it is the operator's, but for what fails for a time only.
    await house.change("UPDATE queue_rcpt SET due = 0")
    await house.change("UPDATE queue SET created = created - ?", 2 * settling.GIVE_UP_MS)
    assert await deliver_one(house.core)
    [(state,)] = await house.run("SELECT state FROM queue_rcpt")
    assert state == ("waiting" if isinstance(error, Busy) else "held")


async def test_the_runner_delivers_what_is_announced_and_outlives_trouble(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = await fill(house, "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change("UPDATE mailbox SET quota = 1000000 WHERE id = ?", grace)
    idle = asyncio.Event()
    troubles = [TryLater("not now")]

    async def observed(core: Any, turns: Any, held: Any) -> bool:
        if troubles:
            raise troubles.pop()
        worked = await deliver_one(core, turns, held)
        if not worked:
            idle.set()
        return worked

    monkeypatch.setattr(runner, "deliver_one", observed)
    monkeypatch.setattr(runner, "IDLE_SECONDS", 0.01)
    running = asyncio.ensure_future(runner.LocalRunner(house.core).run())
    await asyncio.wait_for(idle.wait(), 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await received(house, "grace@demo.test")) == 1

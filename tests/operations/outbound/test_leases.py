"""Leases, fences and trouble of our own: nothing is lost, nothing is sent twice by us."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.operations.mailflow.mails import received
from tests.operations.outbound.queue_world import QUICK, THERE, World, heal
from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, mail_core
from tests.support.smtp_sink import SmtpSink
from tests.support.stores import Run
from workpost.integrations.smtp.base import Mail, Outcome
from workpost.kernel.errors import KeyDestroyed, TryLater
from workpost.operations.outbound import delivering
from workpost.operations.outbound import runner as running
from workpost.operations.outbound.ending import end_attempt
from workpost.operations.outbound.leasing import renew
from workpost.operations.outbound.transport import Transport

__all__ = ["ada", "house", "mail_core"]


@pytest.fixture
def world(run: Run[Any], house: Directory, sink: SmtpSink) -> World:
    async def make() -> World:
        return World(house, sink)

    made: World = run(make())
    return made


class Slow:
    """A sender that takes its time, and says when it began; what it sends really goes out."""

    def __init__(self, world: World) -> None:
        self.inner = Transport(world.core, times=QUICK)
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cancelled = False

    async def attempt(self, route: str, mail: Mail) -> list[Outcome]:
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return await self.inner.attempt(route, mail)

    async def close(self) -> None:
        await self.inner.close()


async def test_two_runners_share_the_queue_and_send_each_message_once(world: World) -> None:
    for number in range(30):
        await world.submit(f"user{number}@place{number % 4}.example")
    other = world.new_runner()
    await asyncio.gather(world.runner.idle(), other.idle())
    sent = sorted(got.recipients[0] for got in world.sink.messages)
    assert sent == sorted(f"user{number}@place{number % 4}.example" for number in range(30))
    assert await world.waiting() == []


async def test_a_lease_that_runs_out_is_taken_over_by_a_runner_that_sees_the_database(
    world: World,
) -> None:
    await world.submit()
    dead = world.new_runner(Slow(world))
    await dead.step()
    other = world.new_runner()
    heal(other)
    await other.idle()
    assert world.sink.messages == []
    await world.house.change("UPDATE queue_rcpt SET lease_until = 1")
    hesitant = world.new_runner()
    await hesitant.idle()
    assert world.sink.messages == []
    await other.idle()
    assert len(world.sink.messages) == 1
    for task in dead._tasks:
        task.cancel()


async def test_work_that_takes_longer_than_its_lease_keeps_it(world: World) -> None:
    await world.submit()
    slow = Slow(world)
    busy = world.new_runner(slow)
    busy.renew_every = 0.1
    working = asyncio.ensure_future(busy.run())
    await asyncio.wait_for(slow.begun.wait(), 30)
    await world.house.change("UPDATE queue_rcpt SET lease_until = 1")
    until = 1
    async with asyncio.timeout(30):
        while until == 1:
            await asyncio.sleep(0.02)
            [(until,)] = await world.house.run("SELECT lease_until FROM queue_rcpt")
    heal(world.runner)
    await world.runner.idle()
    assert world.sink.messages == []
    slow.go_on.set()
    for _ in range(3_000):
        if not await world.waiting():
            break
        await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert len(world.sink.messages) == 1


async def test_a_holder_that_lost_its_lease_calls_its_attempt_off_and_writes_nothing(
    world: World,
) -> None:
    await world.submit()
    slow = Slow(world)
    loser = world.new_runner(slow)
    await loser.step()
    await asyncio.wait_for(slow.begun.wait(), 30)
    await world.house.change("UPDATE queue_rcpt SET lease_until = 1")
    heal(world.runner)
    await world.runner.idle()
    assert len(world.sink.messages) == 1
    await loser._renew_once()
    await asyncio.gather(*loser._tasks)
    assert slow.cancelled
    assert len(world.sink.messages) == 1
    assert len(await world.events("OUTGOING_EMAIL_SENT")) == 1


async def test_a_runner_cut_off_from_the_database_calls_attempts_off_before_its_leases_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.submit()
    slow = Slow(world)
    cut_off = world.new_runner(slow)
    await cut_off.step()
    await asyncio.wait_for(slow.begun.wait(), 30)
    write = world.core.store.write

    async def refuse(command: Any, **values: Any) -> Any:
        if command is renew:
            raise TryLater("the database is gone")
        return await write(command, **values)

    monkeypatch.setattr(world.core.store, "write", refuse)
    assert await cut_off._renew_once() == running.RENEW_AGAIN_SECONDS
    assert not slow.cancelled
    cut_off._renewed -= 26
    await cut_off._renew_once()
    await asyncio.gather(*cut_off._tasks)
    assert slow.cancelled
    assert [one["state"] for one in await world.waiting()] == ["waiting"]
    assert world.sink.messages == []


async def test_what_was_delivered_is_written_down_however_long_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PAUSE", 0.01)
    await world.submit()
    write, failures = world.core.store.write, 5

    async def refuse(command: Any, **values: Any) -> Any:
        nonlocal failures
        if command is end_attempt and failures:
            failures -= 1
            raise TryLater("the disk is full")
        return await write(command, **values)

    monkeypatch.setattr(world.core.store, "write", refuse)
    await world.work()
    assert failures == 0
    assert len(world.sink.messages) == 1
    assert await world.waiting() == []


async def test_without_keys_what_was_delivered_is_settled_and_who_failed_waits_for_a_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "PAUSE", 0.01)
    good, gone = "good@elsewhere.example", "gone@elsewhere.example"
    world.sink.script.recipients = {gone: ["550 5.1.1 No"]}
    await world.submit(good, gone)
    keys = world.core.keys.organization
    seen: list[list[str]] = []

    async def organization(org: str, gen: int | None = None) -> Any:
        if gen is None and len(seen) < 4:
            seen.append([one["recipient"] for one in await world.waiting()])
            raise TryLater("KMS is away")
        return await keys(org, gen)

    async def unsigned(*_: object, **__: object) -> bytes:
        return b""

    world.runner._sign = unsigned
    monkeypatch.setattr(world.core.keys, "organization", organization)
    await world.work()
    assert seen[0] == [good, gone]
    assert seen[-1] == [gone]
    assert await world.waiting() == []
    assert [got.recipients for got in world.sink.messages] == [[good]]
    assert b"gone@elsewhere.example" in (await received(world.house, "ada@demo.test"))[0]


async def test_trouble_of_ours_bounces_nothing_however_old_the_mail_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.submit()
    await world.age(24 * 30)

    async def away(*_: object, **__: object) -> Any:
        raise TryLater("KMS is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.core.keys, "organization", away)
        await world.runner.idle()
    [left] = await world.waiting()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    await world.due()
    await world.work()
    assert len(world.sink.messages) == 1


async def test_what_does_not_open_is_held_after_a_day(world: World) -> None:
    await world.submit()
    await world.house.change("UPDATE queue SET wrapped_key = sealed_envelope")
    await world.work()
    assert [one["state"] for one in await world.waiting()] == ["waiting"]
    await world.age(24)
    await world.work()
    assert [one["state"] for one in await world.waiting()] == ["held"]
    assert world.sink.messages == []


async def test_mail_of_a_shredded_organization_goes_with_its_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.submit()

    async def gone(*_: object, **__: object) -> Any:
        raise KeyDestroyed("gone")

    monkeypatch.setattr(world.core.keys, "organization", gone)
    await world.runner.idle()
    assert await world.house.run("SELECT id FROM queue") == []
    assert world.sink.messages == []


async def test_an_attempt_that_raises_is_tried_later_and_bounces_nothing(world: World) -> None:
    class Broken:
        async def attempt(self, route: str, mail: Mail) -> list[Outcome]:
            raise ZeroDivisionError

        async def close(self) -> None:
            return

    await world.submit(THERE)
    await world.new_runner(Broken()).idle()
    [left] = await world.waiting()
    assert (left["state"], left["attempts"]) == ("waiting", 1)


async def test_an_attempt_that_is_silent_about_somebody_delivers_the_others(world: World) -> None:
    class Silent:
        async def attempt(self, route: str, mail: Mail) -> list[Outcome]:
            number = mail.recipients[0].number
            return [Outcome(number=number, state="delivered", status="2.0.0", text="ok", code=250)]

        async def close(self) -> None:
            return

    await world.submit("a@elsewhere.example", "b@elsewhere.example")
    await world.new_runner(Silent()).idle()
    assert [one["recipient"] for one in await world.waiting()] == ["b@elsewhere.example"]


async def test_no_fault_of_ours_ends_the_renewing_of_leases(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.submit()
    slow = Slow(world)
    runner = world.new_runner(slow)
    await runner.step()
    await asyncio.wait_for(slow.begun.wait(), 30)

    async def fail(*_: object, **__: object) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(world.core.store, "write", fail)
        assert await runner._renew_once() == running.RENEW_AGAIN_SECONDS
    assert await runner._renew_once() == runner.renew_every
    slow.go_on.set()
    await asyncio.gather(*runner._tasks)
    assert len(world.sink.messages) == 1


async def test_servers_that_are_slow_on_purpose_do_not_stop_all_mail(world: World) -> None:
    world.set(deliveries=2)
    slow = Slow(world)
    runner = world.new_runner(slow)
    for number in range(4):
        await world.submit(f"bob@place{number}.example")
    while await runner.step() == 0:
        pass
    assert len(runner._held) == 2
    for each in runner._held.values():
        each.began -= running.SLOW_SECONDS + 1
    while await runner.step() == 0:
        pass
    assert len(runner._held) == 4
    slow.go_on.set()
    await runner.idle()
    assert len(world.sink.messages) == 4

"""Destinations that are not reached: one probe for all, the others wait without being opened."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.operations.mailflow.mails import received
from tests.operations.outbound.queue_world import World
from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, mail_core
from tests.support.smtp_sink import SmtpSink
from tests.support.stores import Run
from workpost.operations.outbound.leasing import LOOK_EACH, Patience, look, take_due
from workpost.operations.upkeep.expiry import expire
from workpost.store.database.unit import Tx, command

__all__ = ["ada", "house", "mail_core"]

DEAD = "dead.example"
PATIENCE = Patience(4 * 3_600_000, 120 * 3_600_000)


@pytest.fixture
def world(run: Run[Any], house: Directory, sink: SmtpSink) -> World:
    async def make() -> World:
        return World(house, sink)

    made: World = run(make())
    return made


async def close_destination(world: World, mails: int) -> None:
    """Let so many messages wait for a destination that was found unreachable."""
    world.sink.down()
    for number in range(mails):
        await world.submit(f"user{number}@{DEAD}")
    await world.work()


async def tried(world: World) -> list[int]:
    return [one["attempts"] for one in await world.waiting()]


async def test_a_closed_destination_is_tried_by_one_probe(world: World) -> None:
    await close_destination(world, 12)
    [(failures, reason)] = await world.house.run("SELECT failures, reason FROM queue_route")
    assert failures == 1
    assert reason
    assert sum(await tried(world)) < 12
    before = sum(await tried(world))
    await world.due()
    await world.work()
    assert sum(await tried(world)) == before + 1
    [(failures, until)] = await world.house.run("SELECT failures, until FROM queue_route")
    assert failures == 2
    assert 80_000 < until - time.time() * 1000 < 150_000


async def test_when_the_probe_is_through_all_that_waits_goes(world: World) -> None:
    await close_destination(world, 12)
    world.sink.up()
    await world.house.change("UPDATE queue_route SET until = 0")
    await world.house.change("UPDATE queue_rcpt SET due = 0 WHERE n = 0 AND queue IN"
                             " (SELECT MIN(queue) FROM queue_rcpt)")  # fmt: skip
    await world.work()
    assert len(world.sink.messages) == 12
    assert await world.house.run("SELECT route FROM queue_route") == []


async def test_one_closed_destination_keeps_no_other_waiting(world: World) -> None:
    await close_destination(world, 6)
    world.sink.up()
    await world.house.change("UPDATE queue_rcpt SET due = 0")
    await world.submit("someone@alive.example")
    await world.work()
    assert [got.recipients for got in world.sink.messages] == [["someone@alive.example"]]


async def test_who_waits_behind_a_probe_hears_of_it_and_gets_the_mail_back(world: World) -> None:
    await close_destination(world, 8)
    await world.house.change("UPDATE queue SET created = created - 14500000")
    await world.house.change("UPDATE queue_rcpt SET due = 0")
    await world.work()
    reports = await received(world.house, "ada@demo.test")
    assert len(reports) == 8
    assert all(b"cannot be reached at the moment" in raw for raw in reports)
    await world.house.change("UPDATE queue_rcpt SET due = 0")
    await world.work()
    assert len(await received(world.house, "ada@demo.test")) == 8
    await world.house.change("UPDATE queue SET created = created - 432000000")
    await world.house.change("UPDATE queue_rcpt SET due = 0")
    await world.work()
    assert await world.waiting() == []
    assert len(await received(world.house, "ada@demo.test")) == 16


async def test_a_dead_probe_leaves_the_destination_to_the_next(world: World) -> None:
    await close_destination(world, 6)
    await world.due()
    seen = await world.core.store.read(look, busy=[], only=None, after={})
    taken = await world.core.store.write(
        take_due, due=seen.due, rooms={}, first=5, most=10, patience=PATIENCE, lease_ms=30_000
    )
    assert [one.failures for one in taken.leased] == [1]
    world.sink.up()
    await world.house.change("UPDATE queue_rcpt SET lease_until = 1 WHERE state = 'leased'")
    await world.house.change("UPDATE queue_route SET until = 0")
    world.runner._healthy_since -= 60
    await world.work()
    assert len(world.sink.messages) == 6


async def test_a_destination_that_nothing_waits_for_is_forgotten_after_a_day(world: World) -> None:
    await close_destination(world, 6)
    await world.house.change("DELETE FROM queue_rcpt")
    routes = "SELECT route FROM queue_route WHERE route = ?"
    await expire(world.core)
    assert await world.house.run(routes, DEAD) == [(DEAD,)]
    await world.house.change("UPDATE queue_route SET until = 1")
    await world.submit(f"late@{DEAD}")
    await expire(world.core)
    assert await world.house.run(routes, DEAD) == [(DEAD,)]
    await world.house.change("DELETE FROM queue_rcpt")
    await expire(world.core)
    assert await world.house.run(routes, DEAD) == []


@command
def many(tx: Tx, *, count: int, due: int, one_route: bool) -> None:
    route = "'big.example'" if one_route else "'d' || i || '.example'"
    tx.run(
        "INSERT INTO queue_rcpt (queue, n, route, state, attempts, due, lease_until, fence, sealed)"
        " WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        f" SELECT i + 1, 0, {route}, 'waiting', 1, i + ?, 0, 0, ? FROM n",
        count - 1,
        due,
        b"x",
    )


@pytest.mark.parametrize("one_route", [True, False])
async def test_100_000_rows_that_are_not_due_cost_nothing(world: World, one_route: bool) -> None:
    later = int(time.time() * 1000) + 3_600_000
    await world.core.store.write(many, count=100_000, due=later, one_route=one_route)
    spans = []
    for _ in range(15):
        start = time.perf_counter()
        seen = await world.core.store.read(look, busy=[], only=None, after={})
        spans.append(time.perf_counter() - start)
        assert (seen.due, seen.expired) == ([], False)
        assert seen.rest_ms is not None
        assert seen.rest_ms > 3_000_000
    assert min(spans) < (0.02 if world.core.store.engine == "sqlite" else 0.1)


async def test_100_000_due_rows_of_a_busy_destination_keep_no_other_waiting(world: World) -> None:
    await world.core.store.write(many, count=100_000, due=1, one_route=True)
    await world.submit("someone@alive.example")
    spans = []
    for _ in range(3):
        start = time.perf_counter()
        seen = await world.core.store.read(look, busy=["big.example"], only=None, after={})
        spans.append(time.perf_counter() - start)
    assert min(spans) < 0.3
    assert [due.route for due in seen.due] == ["alive.example"]
    seen = await world.core.store.read(look, busy=[], only=["big.example"], after={})
    assert len(seen.due) == LOOK_EACH

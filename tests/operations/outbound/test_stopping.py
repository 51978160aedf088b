"""A stop: servers that have a message whole are waited for, no more messages are sent whole."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.operations.outbound.queue_world import World
from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, mail_core
from tests.support.smtp_sink import SmtpSink
from tests.support.stores import Run
from workpost.kernel.queue_settings import Queue, longer_stop
from workpost.operations.outbound import runner as running

__all__ = ["ada", "house", "mail_core"]


@pytest.fixture
def world(
    run: Run[Any], house: Directory, sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setattr(running, "FINISH_SECONDS", 0.3)

    async def make() -> World:
        return World(house, sink)

    made: World = run(make())
    return made


async def stop_while(world: World, step: str) -> float:
    """Stop the runner while the server elsewhere is about to answer; returns how long that took."""
    work = asyncio.ensure_future(world.runner.run())
    await world.submit()
    for _ in range(3_000):
        held = world.runner._held.values()
        if any(each.awaits_reply if step == "." else each._trying for each in held):
            break
        await asyncio.sleep(0.01)
    start = time.monotonic()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return time.monotonic() - start


async def test_a_server_that_scans_after_the_final_dot_is_waited_for(world: World) -> None:
    world.sink.script.delay = {".": 1.0}
    assert await stop_while(world, ".") < 30
    assert await world.waiting() == []
    assert len(world.sink.messages) == 1
    assert len(await world.events("OUTGOING_EMAIL_SENT")) == 1


async def test_it_is_waited_for_no_longer_than_is_set(world: World) -> None:
    world.set(reply_seconds=1)
    world.sink.script.delay = {".": 60.0}
    assert await stop_while(world, ".") < 30
    [waiting] = await world.waiting()
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)


async def test_what_is_not_sent_whole_is_not_waited_for_and_not_delivered(world: World) -> None:
    world.sink.script.delay = {"DATA": 60.0}
    assert await stop_while(world, "DATA") < 30
    [waiting] = await world.waiting()
    assert (waiting["state"], waiting["attempts"]) == ("waiting", 0)
    assert world.sink.messages == []
    world.sink.script.delay = {}
    world.runner = world.new_runner()
    await world.work()
    assert len(world.sink.messages) == 1


def test_only_a_longer_wait_makes_a_stop_longer() -> None:
    assert [longer_stop(Queue(reply_seconds=seconds)) for seconds in (1, 6, 60)] == [0, 0, 54]

"""The write queue is bounded by count and bytes; who finds no room waits, then hears Busy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.store.database.commands import note
from workpost.kernel.errors import Busy, Fault, TryLater
from workpost.store.database import queue as queue_module
from workpost.store.database.batch import BACKGROUND, PEOPLE, Done, Waiting
from workpost.store.database.options import Options
from workpost.store.database.queue import Room, WriteQueue


def _options(**kwargs) -> Options:
    return Options(database=Path("x"), **kwargs)


async def _write(queue: WriteQueue, n: int, lane: int = PEOPLE) -> int:
    return await queue.write(note, (), {"who": "a", "n": n}, lane)


def _finish(queue: WriteQueue, waiting: Waiting) -> None:
    result = waiting.call.encode_result(1)
    queue.resolve_all([Done(waiting, "", result, kept=True)])


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_at_most_so_many_commands_are_handed_over(runner: asyncio.Runner) -> None:
    handed: list[Waiting] = []
    queue = WriteQueue(_options(queue_commands=2), handed.append)
    tasks = [asyncio.create_task(_write(queue, n)) for n in range(4)]
    await _settle()
    assert len(handed) == 2
    _finish(queue, handed[0])
    await _settle()
    assert len(handed) == 3
    _finish(queue, handed[0])  # a second answer does nothing
    await _settle()
    assert len(handed) == 3
    _finish(queue, handed[1])
    _finish(queue, handed[2])
    await _settle()
    _finish(queue, handed[3])
    assert await asyncio.gather(*tasks) == [1, 1, 1, 1]


async def test_bytes_count_too_and_the_first_in_line_is_not_overtaken() -> None:
    room = Room(commands=10, size=100, patience=5)
    await room.take(80)
    large = asyncio.create_task(room.take(50))
    small = asyncio.create_task(room.take(1))
    await _settle()
    assert not large.done()
    assert not small.done()
    room.give(80)
    await asyncio.gather(large, small)


async def test_whoever_waits_too_long_hears_busy_and_the_next_gets_the_room() -> None:
    room = Room(commands=10, size=100, patience=0.01)
    await room.take(80)
    with pytest.raises(Busy):
        await room.take(50)
    await room.take(20)


async def test_a_cancelled_waiter_leaves_the_line() -> None:
    room = Room(commands=1, size=100, patience=5)
    await room.take(1)
    first = asyncio.create_task(room.take(1))
    second = asyncio.create_task(room.take(1))
    await _settle()
    first.cancel()
    await _settle()
    room.give(1)
    await second
    third = asyncio.create_task(room.take(1))
    await _settle()
    room.give(1)  # admitted in the same moment
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    await room.take(1)


async def test_the_background_has_a_smaller_share() -> None:
    handed: list[Waiting] = []
    queue = WriteQueue(_options(queue_commands=16), handed.append)
    tasks = [asyncio.create_task(_write(queue, n, BACKGROUND)) for n in range(5)]
    people = asyncio.create_task(_write(queue, 9))
    await _settle()
    assert [waiting.lane for waiting in handed] == [BACKGROUND, BACKGROUND, PEOPLE]
    while handed:
        _finish(queue, handed.pop())
        await _settle()
    await asyncio.gather(people, *tasks)


async def test_errors_reach_the_caller_as_their_class() -> None:
    handed: list[Waiting] = []
    queue = WriteQueue(_options(), handed.append)
    for body, expected in ((b"gone", TryLater), (b"\xc1", Fault)):
        task = asyncio.create_task(_write(queue, 1))
        await _settle()
        error = "TryLater" if expected is TryLater else ""
        queue.resolve(handed[-1], error, body)
        with pytest.raises(expected):
            await task


async def test_closing_waits_for_what_was_handed_over_and_takes_no_more() -> None:
    handed: list[Waiting] = []
    queue = WriteQueue(_options(queue_commands=1), handed.append)
    first = asyncio.create_task(_write(queue, 1))
    second = asyncio.create_task(_write(queue, 2))
    await _settle()
    closing = asyncio.create_task(queue.drain())
    await _settle()
    assert not closing.done()
    _finish(queue, handed[0])
    await closing
    assert await first == 1
    with pytest.raises(Busy):
        await second
    with pytest.raises(Busy):
        await _write(queue, 3)


async def test_a_command_too_large_for_a_frame_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MOST_FRAME", 2)
    with pytest.raises(Fault):
        await _write(WriteQueue(_options(), lambda _: None), 1)

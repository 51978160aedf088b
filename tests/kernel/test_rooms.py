"""Rooms: bounded for the process and for each tenant, with threads that hold up nobody else."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from workpost.kernel import metrics
from workpost.kernel.errors import Busy
from workpost.kernel.rooms import Rooms

LONG = 60.0


@pytest.fixture
def rooms() -> Rooms:
    return Rooms("test", most=3, each=2, full="Too much at this moment.")


class Stuck:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self) -> str:
        self.begun.release()
        self.let_go.wait(LONG)
        return "done"

    async def begins(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, True, LONG)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    made = Stuck()
    yield made
    made.let_go.set()


def counted(name: str) -> float:
    for line in metrics.render().decode().splitlines():
        if line.startswith(f'{name}{{rooms="test"}}'):
            return float(line.rpartition(" ")[2])
    return 0.0


async def hold(rooms: Rooms, *tenants: str, seconds: float | None = LONG) -> AsyncExitStack:
    async with AsyncExitStack() as held:
        for tenant in tenants:
            await held.enter_async_context(rooms.enter(tenant, seconds))
        return held.pop_all()


async def work(rooms: Rooms, tenant: str, stuck: Stuck) -> str:
    async with rooms.enter(tenant, LONG) as room:
        return await room.run(stuck)


async def test_work_is_done_on_threads_of_the_rooms_and_its_errors_are_raised(rooms: Rooms) -> None:
    def where(suffix: str, *, fail: bool = False) -> str:
        if fail:
            raise ValueError(suffix)
        return threading.current_thread().name.partition("_")[0] + suffix

    async with rooms.enter("a", LONG) as room:
        assert await room.run(where, "!") == "test!"
        with pytest.raises(ValueError, match="again"):
            await room.run(where, "again", fail=True)
        assert await room.run(where, "?") == "test?"


async def test_one_tenant_leaves_room_for_others(rooms: Rooms) -> None:
    async with await hold(rooms, "a", "a"):
        before = counted("workpost_rooms_full_total")
        with pytest.raises(Busy, match=r"Too much at this moment\."):
            await hold(rooms, "a", seconds=0.01)
        assert counted("workpost_rooms_full_total") == before + 1
        async with await hold(rooms, "b"):
            assert counted("workpost_rooms_taken") == 3
    assert counted("workpost_rooms_taken") == 0
    await (await hold(rooms, "a", "a")).aclose()


async def test_tenants_are_forgotten_with_the_last_who_is_inside(rooms: Rooms) -> None:
    for number in range(10):
        await (await hold(rooms, str(number), str(number))).aclose()
    [gates] = rooms._gates.values()
    gc.collect()
    assert not gates.theirs


async def test_all_together_have_a_bound(rooms: Rooms) -> None:
    async with await hold(rooms, "a", "a", "b"):
        with pytest.raises(Busy):
            await hold(rooms, "c", seconds=0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hold(rooms, "c", seconds=None)
        # Who waited in vain has left nothing behind.
        waiting = asyncio.create_task(hold(rooms, "c", "c"))
    await (await waiting).aclose()


async def test_who_waits_goes_in_when_another_leaves(rooms: Rooms) -> None:
    held = await hold(rooms, "a", "a")
    waiting = asyncio.create_task(hold(rooms, "a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await held.aclose()
    await (await waiting).aclose()


async def test_work_that_is_given_up_keeps_its_room_until_its_thread_is_free(
    rooms: Rooms, stuck: Stuck
) -> None:
    given_up = [asyncio.create_task(work(rooms, "a", stuck)) for _ in range(2)]
    for _ in given_up:
        await stuck.begins()
    for task in given_up:
        task.cancel()
    await asyncio.wait(given_up)
    assert all(task.cancelled() for task in given_up)
    assert (counted("workpost_rooms_taken"), counted("workpost_rooms_overrun_total")) == (2, 2)
    with pytest.raises(Busy):
        await hold(rooms, "a", seconds=0.01)
    async with rooms.enter("b", LONG) as room:
        # Whoever is inside has a thread.
        assert await room.run(lambda: "at once") == "at once"
    stuck.let_go.set()
    async with await hold(rooms, "a", "a"):
        assert counted("workpost_rooms_taken") == 2


async def test_work_that_was_given_up_before_other_work_keeps_its_room(
    rooms: Rooms, stuck: Stuck
) -> None:
    held = AsyncExitStack()
    room = await held.enter_async_context(rooms.enter("one", LONG))
    given_up = asyncio.ensure_future(room.run(stuck))
    await stuck.begins()
    given_up.cancel()
    assert await room.run(lambda: "more") == "more"
    await held.aclose()
    assert counted("workpost_rooms_taken") == 1
    async with await hold(rooms, "one"):
        with pytest.raises(Busy):
            await hold(rooms, "one", seconds=0.01)
        stuck.let_go.set()
        async with await hold(rooms, "one"):
            assert counted("workpost_rooms_taken") == 2


def test_rooms_serve_one_loop_after_the_other(rooms: Rooms, stuck: Stuck) -> None:
    async def leave_behind() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await work(rooms, "a", stuck)

    async def crowd() -> None:
        async with await hold(rooms, "a", "a"):
            with pytest.raises(Busy):
                await hold(rooms, "a", seconds=0.01)

    asyncio.run(leave_behind())
    asyncio.run(crowd())
    stuck.let_go.set()

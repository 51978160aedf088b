"""A task that runs on inside whoever wakes it, and is a task to asyncio in everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from workpost.protocols.listening.eager import EagerTask

Body = Callable[[list[Any]], Awaitable[None]]


async def _started(body: Body) -> tuple[EagerTask, list[Any]]:
    """A task that was started from a callback, as protocols do."""
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    task = EagerTask(body(seen), loop)  # type: ignore[arg-type]
    loop.call_soon(task.start)
    await asyncio.sleep(0)
    return task, seen


async def _pausing(seen: list[Any]) -> None:
    while True:
        seen.append("waits")
        await EagerTask.pause()
        seen.append("goes on")


async def _call(function: Callable[..., Any], *arguments: Any) -> None:
    """Call from a callback, where no task runs."""
    called = asyncio.get_running_loop().create_future()

    def call() -> None:
        function(*arguments)
        called.set_result(None)

    asyncio.get_running_loop().call_soon(call)
    await called


async def test_it_goes_on_before_resume_returns() -> None:
    task, seen = await _started(_pausing)
    lengths: list[int] = []

    def twice() -> None:
        for _ in range(2):
            task.resume()
            lengths.append(len(seen))

    await _call(twice)
    assert lengths == [3, 5]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_resumed_by_another_task_it_waits_for_its_turn() -> None:
    task, seen = await _started(_pausing)
    task.resume()
    task.resume()
    assert seen == ["waits"]
    await asyncio.sleep(0)
    assert seen == ["waits", "goes on", "waits"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_an_error_is_raised_where_it_waits() -> None:
    async def body(seen: list[Any]) -> None:
        try:
            await EagerTask.pause()
        except ValueError as error:
            seen.append(str(error))
        raise KeyError("end")

    task, seen = await _started(body)
    await _call(task.resume, ValueError("told"))
    assert seen == ["told"]
    with pytest.raises(KeyError, match="end"):
        await task


async def test_it_awaits_futures_sleeps_and_tasks_as_tasks_do() -> None:
    async def body(seen: list[Any]) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        seen.append(await asyncio.gather(asyncio.to_thread(int, "7"), asyncio.sleep(0, 8)))
        seen.append(asyncio.current_task())
        async with asyncio.TaskGroup() as group:
            made = group.create_task(asyncio.sleep(0, 9))
        seen.append(made.result())

    task, seen = await _started(body)
    assert id(task) in map(id, asyncio.all_tasks())
    await task
    assert seen == [[7, 8], task, 9]
    assert id(task) not in map(id, asyncio.all_tasks())


async def test_timeouts_work_in_it() -> None:
    async def body(seen: list[Any]) -> None:
        for waiting in (asyncio.sleep(10), asyncio.Event().wait()):
            try:
                async with asyncio.timeout(0.001):
                    await waiting
            except TimeoutError:
                seen.append("late")
        try:
            async with asyncio.timeout(0.001):
                await EagerTask.pause()
        except TimeoutError:
            seen.append("late")

    task, seen = await _started(body)
    await task
    assert seen == ["late"] * 3


async def test_cancellation_reaches_it_wherever_it_waits() -> None:
    async def sleeping(seen: list[Any]) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("ended")

    async def yielding(seen: list[Any]) -> None:
        try:
            for _ in range(1_000):
                await asyncio.sleep(0)
        finally:
            seen.append("ended")

    async def pausing(seen: list[Any]) -> None:
        try:
            await EagerTask.pause()
        finally:
            seen.append("ended")

    for body in (sleeping, yielding, pausing):
        task, seen = await _started(body)
        assert task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["ended"]
        assert not task.cancel()
        task.resume()


async def test_what_cannot_be_awaited_is_told() -> None:
    class Odd:
        def __await__(self):
            yield 5

    async def body(seen: list[Any]) -> None:
        await Odd()

    task, _ = await _started(body)
    with pytest.raises(RuntimeError, match="cannot wait for 5"):
        await task

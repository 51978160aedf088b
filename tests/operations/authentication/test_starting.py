"""Checks that become tasks only where they wait."""

from __future__ import annotations

import asyncio

import pytest

from workpost.operations.authentication.starting import start


async def test_a_check_that_never_waits_is_done_at_once() -> None:
    async def check() -> int:
        return 7

    found = start(check())
    assert found.done()
    assert found.result() == 7


async def test_a_check_that_waits_goes_on_by_itself() -> None:
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]
    seen: list[int] = []

    async def check() -> int:
        seen.extend([await answer for answer in answers])
        await asyncio.sleep(0)
        return sum(seen)

    found = start(check())
    assert not found.done()
    for number, answer in enumerate(answers, 1):
        answer.set_result(number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await found == 3
    assert seen == [1, 2]


async def test_an_answer_that_came_before_the_task_ran_is_heard() -> None:
    answer = asyncio.get_running_loop().create_future()

    async def check() -> str:
        return str(await answer)

    found = start(check())
    answer.set_result("early")
    assert await found == "early"


@pytest.mark.parametrize("waits", [False, True])
async def test_what_a_check_raises_is_told_to_whoever_asks(waits: bool) -> None:
    async def check() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError("gone")

    found = start(check())
    with pytest.raises(LookupError, match="gone"):
        await found


async def test_a_check_hears_that_it_is_cancelled_and_of_errors_of_what_it_awaits() -> None:
    ended = []

    async def check(answer: asyncio.Future[None]) -> None:
        try:
            await answer
        except ZeroDivisionError:
            ended.append("error")
            await asyncio.sleep(60)
        finally:
            ended.append("end")

    answer = asyncio.get_running_loop().create_future()
    found = start(check(answer))
    answer.set_exception(ZeroDivisionError())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    found.cancel()
    with pytest.raises(asyncio.CancelledError):
        await found
    assert ended == ["error", "end"]

"""Waiting for an event for a while."""

from __future__ import annotations

import asyncio

import pytest

from workpost.kernel.waiting import happened


async def test_it_tells_whether_the_event_came_in_time() -> None:
    event = asyncio.Event()
    assert not await happened(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await happened(event, 60)


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancellation_counts_although_the_event_comes_at_that_moment(turns: int) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(happened(event, 60))
    await asyncio.sleep(0)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    over = waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert over or waiting.cancelled()

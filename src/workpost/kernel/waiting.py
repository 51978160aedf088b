"""Waiting for an event, but not forever."""

from __future__ import annotations

import asyncio


async def happened(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set, at most `seconds`; whether it was.

    `asyncio.wait_for` may swallow a cancellation that comes at the moment when the event is set
    (Python 3.11): a loop around it would then go on although it was told to end.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True

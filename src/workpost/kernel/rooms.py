"""Room for work that takes memory or threads: bounded for the process, and for each tenant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class Rooms:
    """At most `most` at once, and `each` of one tenant: who dawdles leaves room for others."""

    def __init__(self, most: int, each: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._theirs = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(each))

    @asynccontextmanager
    async def enter(self, tenant: str, seconds: float) -> AsyncIterator[None]:
        """Have room for one. Raises TimeoutError when there is none within `seconds`."""
        async with AsyncExitStack() as held:
            async with asyncio.timeout(seconds):
                await held.enter_async_context(self._theirs[tenant])
                await held.enter_async_context(self._all)
            yield

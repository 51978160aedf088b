"""How many requests to the S3 door are in hand at once, so that no account keeps others out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workpost.protocols.s3.errors import S3Error

AT_ONCE = 8
"""Requests of a process with a body or an answer in memory at the same time."""
EACH = 2
"""Of them, those of one account: bodies that never come are waited for with its own alone."""
PATIENCE_SECONDS = 10.0
"""How long a request waits for its turn."""


class Rooms:
    """Places for requests, of all accounts and of each; belongs to one event loop."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._own: dict[str, asyncio.Semaphore] = {}
        self._there: dict[str, int] = {}

    @asynccontextmanager
    async def enter(self, account: str) -> AsyncIterator[None]:
        """Have a place while a request is served. Raises S3Error (SlowDown) where none is free."""
        own = self._own.setdefault(account, asyncio.Semaphore(EACH))
        self._there[account] = self._there.get(account, 0) + 1
        try:
            await _take(own, self._all)
            try:
                yield
            finally:
                self._all.release()
                own.release()
        finally:
            self._there[account] -= 1
            if not self._there[account]:
                del self._there[account], self._own[account]


async def _take(own: asyncio.Semaphore, others: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await own.acquire()
            try:
                await others.acquire()
            except BaseException:
                own.release()
                raise
    except TimeoutError:
        raise S3Error("SlowDown", "Please reduce your request rate.") from None

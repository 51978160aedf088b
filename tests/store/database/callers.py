"""A load of durable writes, counted by what was acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Self

from tests.store.database.commands import note
from workpost.store.database.store import Store


class Callers:
    """So many callers, each writing its next note as soon as the last one is acknowledged."""

    def __init__(self, store: Store, count: int) -> None:
        self._store = store
        self._done = [0] * count
        self._going = True
        self._acknowledged = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._call(k)) for k in range(len(self._done))]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._going = False
        await asyncio.gather(*self._tasks)

    async def _call(self, who: int) -> None:
        while self._going:
            n = self._done[who]
            assert await self._store.write(note, who=f"c{who}", n=n) == n
            self._done[who] += 1
            self._acknowledged.set()

    async def progress(self, more: int) -> None:
        """Wait until so many more notes were acknowledged."""
        target = sum(self._done) + more
        while sum(self._done) < target:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    def acknowledged(self) -> Counter[tuple[str, int]]:
        """Every note that must be there, once."""
        return Counter((f"c{k}", n) for k, last in enumerate(self._done) for n in range(last))

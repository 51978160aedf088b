"""Threads of people's scripts: whoever's take long keep no mail of others from being read.

An organization has half of them at most, and what waits for one does not spend its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TypeVar
from weakref import WeakKeyDictionary

from workpost.kernel.errors import TryLater
from workpost.kernel.rooms import Rooms
from workpost.store.core import Core
from workpost.store.database.store import Store

THREADS = 4
EACH = 2
PATIENCE_SECONDS = 60.0
"""How long a message waits until scripts of its organization are done with others."""

T = TypeVar("T")
_threads = ThreadPoolExecutor(THREADS, "sieve")
_rooms: WeakKeyDictionary[Store, Rooms] = WeakKeyDictionary()


async def beside(core: Core, organization: str, work: Callable[[], T]) -> T:
    """Have `work` done for an organization; raises what it raises, and TryLater."""
    rooms = _rooms.setdefault(core.store, Rooms(THREADS, EACH))
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(rooms.enter(organization, PATIENCE_SECONDS))
        except TimeoutError:
            raise TryLater("The scripts of this organization take too long.") from None
        return await asyncio.get_running_loop().run_in_executor(_threads, work)

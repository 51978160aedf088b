"""`Keys`: the asynchronous face of the key hierarchy, one per process.

A key in the cache is answered without suspension. Everything else runs in a small pool of threads,
callers who want the same key waiting for one answer together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from workpost.store.keys import sealing
from workpost.store.keys.cache import SECONDS
from workpost.store.keys.hierarchy import Hierarchy
from workpost.store.keys.records import (
    SYSTEM,
    mailbox_scope,
    org_scope,
    tag_scope,
    token_scope,
)
from workpost.store.keys.types import DataKey

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 4


class Keys:
    """Keys in clear, and their making and end.

    All methods raise TryLater when the key store, the key ring or KMS is out of reach, and
    KeyDestroyed for what was shredded, does not exist, or belongs to another organization.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self._clear = hierarchy.clear
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="keys")
        self._asked: dict[tuple[str, int, str], asyncio.Task[DataKey]] = {}
        self._pruning: asyncio.TimerHandle | None = None

    async def system(self, gen: int | None = None) -> DataKey:
        """The system key, above the organizations: access keys, DKIM keys, token keys."""
        cached = self._clear.get(SYSTEM, gen or 0)
        if cached is not None:
            return cached
        return await self._share((SYSTEM, gen or 0, ""), lambda: self.hierarchy.system(gen))

    async def token_key(self, purpose: str) -> bytes:
        """A key of the installation for tokens of one kind; rotation rewraps, never replaces it."""
        cached = self._clear.get(token_scope(purpose), 0)
        if cached is not None:
            return cached.key
        place = (token_scope(purpose), 0, "")
        return (await self._share(place, lambda: self.hierarchy.token(purpose))).key

    async def organization(self, organization: str, gen: int | None = None) -> DataKey:
        """An organization's data key; without `gen` the current generation."""
        scope = org_scope(organization)
        return self._clear.get(scope, gen or 0) or await self._open(scope, gen, "")

    async def seal(self, organization: str, value: bytes, place: bytes) -> tuple[bytes, int]:
        """A value sealed for its place under an organization's key, and the generation of that."""
        key = await self.organization(organization)
        return sealing.seal(key.key, value, place), key.gen

    async def unseal(self, organization: str, gen: int, sealed: bytes, place: bytes) -> bytes:
        """What was sealed. Raises Fault for a value of another place, or a damaged one."""
        key = await self.organization(organization, gen)
        return sealing.unseal(key.key, sealed, place)

    async def mailbox(self, organization: str, mailbox: int, gen: int | None = None) -> DataKey:
        """A mailbox's key; without `gen` the current generation."""
        scope, parent = mailbox_scope(mailbox), org_scope(organization)
        return self._clear.get(scope, gen or 0, parent) or await self._open(scope, gen, parent)

    async def tag_key(self, organization: str, mailbox: int) -> bytes:
        """The key of a mailbox's tags; never replaced."""
        scope, parent = tag_scope(mailbox), org_scope(organization)
        return (self._clear.get(scope, 0, parent) or await self._open(scope, None, parent)).key

    async def create_organization(self, organization: str, *, kms_key: str | None = None) -> None:
        """Make an organization's data key, before its row; `kms_key` is the ARN of its own key."""
        await self.run(self.hierarchy.create_organization, organization, kms_key)

    async def create_mailbox(self, organization: str, mailbox: int) -> None:
        """Make a mailbox's key and tag key, before its row."""
        await self.run(self.hierarchy.create_mailbox, organization, mailbox)

    async def shred_mailbox(self, organization: str, mailbox: int) -> None:
        """Destroy a mailbox's keys for good; recorded in the shred list first."""
        scope, parent = mailbox_scope(mailbox), org_scope(organization)
        await self.run(self.hierarchy.shred, scope, parent)

    async def shred_organization(self, organization: str) -> None:
        """Destroy the keys of an organization and of all its mailboxes for good."""
        await self.run(self.hierarchy.shred, org_scope(organization))

    async def rotate_system(self) -> int:
        """Add a generation of the system key; returns it. `operations/upkeep` reseals."""
        await self.system()
        return await self.run(self.hierarchy.rotate, SYSTEM)

    async def rotate_organization(self, organization: str) -> int:
        """Add a generation of an organization's data key; returns it."""
        return await self.run(self.hierarchy.rotate, org_scope(organization))

    async def rotate_mailbox(self, organization: str, mailbox: int) -> int:
        """Add a generation of a mailbox's key; returns it. Its tag key stays."""
        scope, parent = mailbox_scope(mailbox), org_scope(organization)
        return await self.run(self.hierarchy.rotate, scope, parent)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a blocking function of the hierarchy or the key store in the pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def close(self) -> None:
        """Forget the keys in clear and close the key store."""
        if self._pruning is not None:
            self._pruning.cancel()
        await asyncio.to_thread(self._threads.shutdown)
        self._clear.clear()
        self.hierarchy.store.close()

    async def _open(self, scope: str, gen: int | None, parent: str) -> DataKey:
        return await self._share(
            (scope, gen or 0, parent), lambda: self.hierarchy.open(scope, gen, parent)
        )

    async def _share(self, place: tuple[str, int, str], fetch: Callable[[], DataKey]) -> DataKey:
        task = self._asked.get(place)
        if task is None:
            task = asyncio.create_task(self.run(fetch))
            self._asked[place] = task
            task.add_done_callback(lambda done: self._answered(place, done))
        # One caller's cancellation must not take the answer from the others.
        return await asyncio.shield(task)

    def _answered(self, place: tuple[str, int, str], task: asyncio.Task[DataKey]) -> None:
        self._asked.pop(place, None)
        if not task.cancelled():
            task.exception()
        if self._pruning is None:
            self._pruning = asyncio.get_running_loop().call_later(SECONDS, self._prune)

    def _prune(self) -> None:
        self._clear.prune()
        self._pruning = None
        if len(self._clear):
            self._pruning = asyncio.get_running_loop().call_later(SECONDS / 4, self._prune)

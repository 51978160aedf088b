"""The store's asynchronous face: the one place where protocols cross into the synchronous core."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from workpost.kernel.clock import Environment
from workpost.kernel.errors import WorkpostError
from workpost.store.changes.compare import EVERY, mailbox_values, policy_values
from workpost.store.changes.hub import Hub, Watch
from workpost.store.database.batch import BACKGROUND, PEOPLE
from workpost.store.database.counters import Counters, log
from workpost.store.database.unit import Reader, Tx
from workpost.store.tables.commands import EXPIRE_EVERY, EXPIRE_SLICE, expire_commands

P = ParamSpec("P")
R = TypeVar("R")


class Backend(Protocol):
    """What an engine offers the store."""

    def read(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Awaitable[R]:
        """Answer a query over one snapshot."""
        ...

    def write(
        self,
        command: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        lane: int,
    ) -> Awaitable[Any]:
        """Run a command in one transaction and settle it."""
        ...

    async def close(self) -> None:
        """Settle what was handed over and close all connections."""
        ...


class Store:
    """Reads, writes and hints, the same on both engines."""

    def __init__(
        self, env: Environment, engine: str, backend: Backend, hub: Hub, counters: Counters
    ) -> None:
        self.env = env
        self.engine = engine
        self.counters = counters
        self._backend = backend
        self._hub = hub
        self._chores = [asyncio.create_task(self._compare()), asyncio.create_task(self._expire())]

    async def read(
        self, query: Callable[Concatenate[Reader, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Answer `query(tx, *args, **kwargs)` over one snapshot of at most 100 ms.

        Raises Busy or TryLater when the engine cannot answer now, Fault for a query that takes too
        long, and whatever the query raised.
        """
        return await self._backend.read(query, args, kwargs)

    async def write(
        self, command: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a command; returns its result after the commit is durable.

        Raises the command's domain error, Busy when the queue stays full, TryLater when the engine
        is gone. Once handed over the command runs to its end even if the caller is cancelled.
        """
        result: R = await self._backend.write(command, args, kwargs, PEOPLE)
        return result

    async def write_background(
        self, command: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Like `write`, in the lane that gets one slice per batch."""
        result: R = await self._backend.write(command, args, kwargs, BACKGROUND)
        return result

    def watch(self, kind: str, key: str, heard: Callable[[int], None]) -> Watch:
        """Call `heard(value)` on the loop after commits that announced (kind, key), on any node.

        Calls are coalesced. A key of `""` hears the whole kind. Mailboxes and policies are also
        compared with the database every 2 s, so a lost hint costs no more than that.
        """
        return self._hub.watch(kind, key, heard)

    async def compare_now(self) -> None:
        """Compare what is watched with the database (done every 2 s, and after a lost line)."""
        mailboxes = [key for key in self._hub.watched("mailbox") if key]
        for start in range(0, len(mailboxes), 2_000):
            some = mailboxes[start : start + 2_000]
            self._hub.compare("mailbox", await self.read(mailbox_values, keys=some))
        if policies := self._hub.watched("policy"):
            self._hub.compare("policy", await self.read(policy_values, keys=policies))

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.compare_now()
            except WorkpostError as error:
                log.warning("comparing what is watched failed: %s", error)
            except Exception:  # noqa: BLE001 - logged; the chore goes on
                log.exception("comparing what is watched failed")

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY)
            try:
                while await self.write_background(expire_commands) == EXPIRE_SLICE:
                    pass
            except WorkpostError as error:
                log.warning("expiring the record of commands failed: %s", error)
            except Exception:  # noqa: BLE001 - logged; the chore goes on
                log.exception("expiring the record of commands failed")

    async def close(self) -> None:
        """Settle what was handed over, then close all connections."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self._backend.close()

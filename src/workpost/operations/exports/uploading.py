"""One object on its way into a bucket: gathered into parts, hashed, sent one after the other."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from workpost.integrations.s3.depot import MAX_PARTS, PART_BYTES, Depot
from workpost.kernel.errors import TryLater
from workpost.kernel.logging import logger

P = ParamSpec("P")
R = TypeVar("R")

PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 30.0, 30.0)
"""Seconds between tries while the bucket is out of reach; after the last the attempt ends."""
SPARE_PARTS = 1000
"""Of the parts that S3 allows, so many are left for what a mailbox grows meanwhile."""
MEGABYTE = 1 << 20

log = logger("exports")


def part_bytes(expected: int) -> int:
    """The size of a part: 8 MiB, more only where an object of `expected` bytes has too many."""
    least = -(-expected // (MAX_PARTS - SPARE_PARTS))
    return max(PART_BYTES, -(-least // MEGABYTE) * MEGABYTE)


async def patiently(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a bucket in a thread, again while it is out of reach. Raises TryLater at last."""
    for pause in PAUSES:
        try:
            return await asyncio.to_thread(call, *args, **kwargs)
        except TryLater as error:
            log.info("a bucket is out of reach", reason=error.message)
            await asyncio.sleep(pause)
    return await asyncio.to_thread(call, *args, **kwargs)


class PartUpload:
    """Writes an object of unknown length; holds one part in memory.

    Raises what `Depot` raises.
    """

    def __init__(self, depot: Depot, name: str, upload: str, part: int) -> None:
        self._depot = depot
        self._name = name
        self._upload = upload
        self._part = part
        self._waiting = bytearray()
        self._tags: list[str] = []
        self._digest = hashlib.sha384()
        self._sending = threading.Lock()
        self.sent = 0

    async def write(self, data: bytes) -> None:
        """Add bytes; a part that is full is sent before this returns."""
        self._waiting += data
        while len(self._waiting) >= self._part:
            with memoryview(self._waiting) as view:
                part = bytes(view[: self._part])
            del self._waiting[: self._part]
            await self._send(part)

    async def finish(self) -> None:
        """Send what is left; an object has one part at least."""
        part = bytes(self._waiting)
        self._waiting.clear()
        if part or not self._tags:
            await self._send(part)

    async def abort(self) -> None:
        """Throw everything away, after the part that is on its way."""
        await asyncio.to_thread(self._wait)
        await asyncio.to_thread(self._depot.abort, self._name, self._upload)

    def _wait(self) -> None:
        with self._sending:
            return

    async def complete(self) -> None:
        """Make the object of the parts."""
        await patiently(self._depot.complete, self._name, self._upload, self._tags)

    @property
    def digest(self) -> str:
        """SHA-384 of what was sent, in hex."""
        return self._digest.hexdigest()

    async def _send(self, part: bytes) -> None:
        number = len(self._tags) + 1
        await asyncio.to_thread(self._digest.update, part)
        tag = await patiently(self._put, number, part)
        self._tags.append(tag)
        self.sent += len(part)

    def _put(self, number: int, part: bytes) -> str:
        # Whoever waits for a thread may be cancelled, the thread goes on: `abort` waits for it.
        with self._sending:
            return self._depot.put_part(self._name, self._upload, number, part)

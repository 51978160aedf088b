"""Calls on their way to the audit log: gathered for a tenth of a second, then written together.

A call is answered before its record is durable: a crash of the process, or of the machine, loses
the records of the last tenth of a second and of what the background lane had not taken yet. A clean
stop loses none. While the buffer is full, because the database takes nothing, callers are refused:
what cannot be recorded is not done.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Iterable, Iterator

from workpost.kernel.errors import WorkpostError
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import audit
from workpost.store.tables.audit import AuditChunk

EVERY = 0.1
"""Seconds between writes."""
AGAIN = 1.0
"""Seconds after a write that failed."""
MAX_CALLS = 10_000
MAX_BYTES = 16 << 20
CHUNK_CALLS = 500
CHUNK_BYTES = 256 << 10
CHUNKS_OF_A_WRITE = 16
STOP_TRIES = 3
PURPOSE = "audit"

log = logging.getLogger("workpost.audit")

Record = tuple[str, int, bytes]
"""Account, time in milliseconds, one line of JSON."""


@command
def insert_audit(tx: Tx, *, chunks: list[AuditChunk]) -> None:
    """Append chunks to the audit log; repeating it changes nothing."""
    audit.insert_chunks(tx, chunks)


def place(account: str, chunk: int) -> bytes:
    """What a sealed chunk is bound to."""
    return sealing.place("audit", "sealed", account, "audit", chunk)


class AuditLog:
    """The calls of one process that are not written yet."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: list[Record] = []
        self._sealed: list[AuditChunk] = []
        self._calls = 0
        self._bytes = 0
        self._lock = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """True while no more calls may be answered."""
        return self._calls >= MAX_CALLS or self._bytes >= MAX_BYTES

    def add(self, account: str, at: int, record: bytes) -> None:
        """Take the record of a call, one line of JSON; written about a tenth of a second later."""
        self._waiting.append((account, at, record))
        self._calls += 1
        self._bytes += len(record)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        pause = EVERY
        while self._calls:
            await asyncio.sleep(pause)
            try:
                await self.flush()
                pause = EVERY
            except WorkpostError as error:
                log.warning("the audit log is not written: %s", error)
                pause = AGAIN
            except Exception:  # whatever it is: a writer that is gone would refuse all calls
                log.exception("the audit log is not written")
                pause = AGAIN
        self._writing = None

    async def flush(self) -> None:
        """Write what was taken so far. Raises TryLater; what was not written is kept."""
        async with self._lock:
            await self._write_sealed()
            if not self._waiting:
                return
            key = await self._core.keys.token_key(PURPOSE)
            taken = self._waiting[:]
            # Sealed once: what is written again, after a write in doubt, is the same row.
            self._sealed = await asyncio.to_thread(self._seal, key, taken)
            del self._waiting[: len(taken)]
            self._bytes -= sum(len(record) for _, _, record in taken)
            await self._write_sealed()

    async def _write_sealed(self) -> None:
        while some := self._sealed[:CHUNKS_OF_A_WRITE]:
            await self._core.store.write_background(insert_audit, chunks=some)
            del self._sealed[: len(some)]
            self._calls -= sum(chunk.calls for chunk in some)

    def _seal(self, key: bytes, records: Iterable[Record]) -> list[AuditChunk]:
        chunks = []
        for account, at, calls, lines in _chunks(records):
            chunk = self._core.env.new_id()
            # The fastest level: records resemble one another, more effort gains little.
            sealed = sealing.seal(key, zlib.compress(lines, 1), place(account, chunk))
            chunks.append(AuditChunk(account, at, chunk, calls, sealed))
        return chunks

    async def close(self) -> None:
        """Write all that is left, at the end of the process."""
        for _ in range(STOP_TRIES):
            try:
                await self.flush()
                break
            except WorkpostError as error:
                log.error("%d calls are not in the audit log: %s", self._calls, error)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)


def _chunks(records: Iterable[Record]) -> Iterator[tuple[str, int, int, bytes]]:
    """(account, time of the latest call, number of calls, lines) of chunks of bounded size."""
    open_chunks: dict[str, list[Record]] = {}
    sizes: dict[str, int] = {}
    for record in records:
        account = record[0]
        chunk = open_chunks.setdefault(account, [])
        chunk.append(record)
        sizes[account] = sizes.get(account, 0) + len(record[2])
        if len(chunk) >= CHUNK_CALLS or sizes[account] >= CHUNK_BYTES:
            yield _joined(open_chunks.pop(account))
            del sizes[account]
    for chunk in open_chunks.values():
        yield _joined(chunk)


def _joined(chunk: list[Record]) -> tuple[str, int, int, bytes]:
    lines = b"\n".join([line for _, _, line in chunk])
    return chunk[0][0], max(at for _, at, _ in chunk), len(chunk), lines

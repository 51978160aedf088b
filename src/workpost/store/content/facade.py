"""`Contents`: put sealed bytes where they belong, and get ranges of them back.

Small contents travel inside the command that inserts them. Larger ones are written first, to a
file or to S3, and are durable when `put` returns; one that no command then refers to is an orphan,
which the sweeper finds. Sealing, opening, files and S3 run in threads where they take long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from workpost.kernel.errors import Fault
from workpost.kernel.settings import Settings
from workpost.store.content import chunks
from workpost.store.content.files import ContentFiles
from workpost.store.content.objects import ContentObjects
from workpost.store.content.types import FILE, INLINE, S3, Placed
from workpost.store.database.store import Store
from workpost.store.tables.contents import get_content, get_contents

R = TypeVar("R")

LONG = 512 * 1024
"""Bytes whose sealing or opening leaves the event loop: 0.1 ms and more."""
ROWS_AT_ONCE = 50
"""Inline contents read in one snapshot: at most 3 MB."""


class Contents:
    """The contents of one process. All methods raise TryLater when disk, bucket or database is
    out of reach, and Fault for bytes that are missing or do not open.
    """

    def __init__(
        self,
        store: Store,
        files: ContentFiles,
        objects: ContentObjects | None = None,
        *,
        inline_limit: int,
    ) -> None:
        self.files = files
        self.objects = objects
        self._store = store
        self._inline_limit = inline_limit

    async def put(self, raw: bytes, key: bytes, content_id: bytes) -> Placed:
        """Seal and place a content before the command that inserts it.

        `key` is this content's own (`types.content_key`), never used for other bytes.
        """
        size = len(raw)
        if chunks.sealed_size(size) > self._inline_limit:
            place = S3 if self.objects is not None else FILE
            await asyncio.to_thread(self._write, place, raw, key, content_id)
            return Placed(id=content_id, size=size, place=place, sealed=None)
        if size > LONG:
            sealed = await asyncio.to_thread(chunks.seal_chunks, key, content_id, raw)
        else:
            sealed = chunks.seal_chunks(key, content_id, raw)
        return Placed(id=content_id, size=size, place=INLINE, sealed=sealed)

    async def get(
        self, content_id: bytes, key: bytes, *, start: int = 0, end: int | None = None
    ) -> bytes:
        """Plaintext bytes `start` to `end`, both cut to the content's length."""
        row = await self._store.read(get_content, content_id=content_id)
        if row is None:
            raise Fault(f"content {content_id.hex()} is not there")
        size, place, sealed = row
        return await self._range(content_id, key, (size, place, sealed), start, end)

    async def get_many(self, wanted: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Whole contents for (content id, key) pairs, in order: few snapshots, for sync loops."""
        opened = []
        for first in range(0, len(wanted), ROWS_AT_ONCE):
            some = wanted[first : first + ROWS_AT_ONCE]
            rows = await self._store.read(get_contents, content_ids=[pair[0] for pair in some])
            for content_id, key in some:
                if content_id not in rows:
                    raise Fault(f"content {content_id.hex()} is not there")
                size, place, sealed = rows[content_id]
                opened.append(await self._range(content_id, key, (size, place, sealed), 0, None))
            await asyncio.sleep(0)
        return opened

    async def read_sealed(self, content_id: bytes, size: int, place: int) -> bytes:
        """The whole sealed form of a content outside the database, for backup and check."""
        return await asyncio.to_thread(self._reader(place), content_id, 0, chunks.sealed_size(size))

    async def sealed_length(self, content_id: bytes, place: int) -> int | None:
        """Length of the sealed form outside the database, None when it is not there."""
        holder = self._outside(place)
        return await asyncio.to_thread(holder.size, content_id)

    async def write_sealed(self, content_id: bytes, place: int, sealed: bytes) -> None:
        """Put the sealed form back outside the database, for restore."""
        holder = self._outside(place)
        await asyncio.to_thread(holder.write, content_id, sealed)

    async def _range(
        self,
        content_id: bytes,
        key: bytes,
        row: tuple[int, int, bytes | None],
        start: int,
        end: int | None,
    ) -> bytes:
        size, place, sealed = row
        start = max(0, start)
        end = size if end is None else min(end, size)
        if start >= end and size:
            return b""
        if place == INLINE:
            if sealed is None:
                raise Fault(f"content {content_id.hex()} has no bytes")
            opened = _open_inline(content_id, key, size, sealed, start, end)
        else:
            opened = await asyncio.to_thread(
                _open_outside, self._reader(place), content_id, key, size, start, end
            )
        return opened

    def _write(self, place: int, raw: bytes, key: bytes, content_id: bytes) -> None:
        self._outside(place).write(content_id, chunks.seal_chunks(key, content_id, raw))

    def _reader(self, place: int) -> Callable[[bytes, int, int], bytes]:
        return self._outside(place).read

    def _outside(self, place: int) -> ContentFiles | ContentObjects:
        if place == FILE:
            return self.files
        if place == S3 and self.objects is not None:
            return self.objects
        raise Fault("a content lies in S3, but content.s3_bucket is not set")


def open_contents(settings: Settings, store: Store) -> Contents:
    """The contents of this process, as the settings say. Touches neither disk nor network."""
    objects = None
    if settings.content.s3_bucket:
        from workpost.integrations.s3.aws import Bucket

        bucket = Bucket(settings.content.s3_bucket, settings.api.region)
        objects = ContentObjects(bucket, settings.content.s3_prefix)
    return Contents(
        store,
        ContentFiles(settings.content_dir),
        objects,
        inline_limit=settings.content.inline_limit,
    )


def _open_inline(
    content_id: bytes, key: bytes, size: int, sealed: bytes, start: int, end: int
) -> bytes:
    if len(sealed) != chunks.sealed_size(size):
        raise Fault(f"content {content_id.hex()} has {len(sealed)} sealed bytes")
    return _open_outside(lambda _, low, high: sealed[low:high], content_id, key, size, start, end)


def _open_outside(
    read: Callable[[bytes, int, int], bytes],
    content_id: bytes,
    key: bytes,
    size: int,
    start: int,
    end: int,
) -> bytes:
    if start == 0 and end == size:
        sealed = read(content_id, 0, chunks.sealed_size(size))
        return chunks.open_all(key, content_id, size, sealed)
    low, high = chunks.sealed_span(size, start, end)
    first = start // chunks.CHUNK
    opened = chunks.open_chunks(key, content_id, size, first, read(content_id, low, high))
    return opened[start - first * chunks.CHUNK : end - first * chunks.CHUNK]

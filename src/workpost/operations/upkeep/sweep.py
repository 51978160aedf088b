"""The sweeper: what is left over goes, a day later and in slices.

- contents that nothing refers to, a day after the last reference went
- files and objects that no content row knows, a day after they were written
- keys that were made for a row that never came, a day after they were made
- superseded generations of keys, an hour after nothing was first seen to refer to them
- folders whose deletion a crash cut short

Everything here can be repeated, run on several nodes at once, and end anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from workpost.domain.messages import shell as messages
from workpost.kernel.errors import KeyDestroyed, WorkpostError
from workpost.kernel.principal import Grant
from workpost.operations.upkeep import rotation
from workpost.store.content.types import FILE, S3
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys.hierarchy import START, Cursor
from workpost.store.keys.records import SYSTEM, KeyRow, mailbox_scope, org_scope, tag_scope
from workpost.store.tables import contents, folders, rewrap

T = TypeVar("T")

log = logging.getLogger("workpost.upkeep")

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RETIRED_MS = HOUR_MS
"""How long a generation stays after nothing was first seen to refer to it: longer than anybody
keeps a row that was read, or a command that was prepared, with the generation before."""
SLICE = 100


class Swept(msgspec.Struct):
    """What one sweep removed."""

    contents: int = 0
    orphans: int = 0
    keys: int = 0
    generations: int = 0
    folders: int = 0


async def sweep(core: Core) -> Swept:
    """Sweep everything once. Raises TryLater when something it needs is out of reach."""
    return Swept(
        contents=await sweep_contents(core),
        orphans=await sweep_orphans(core),
        keys=await sweep_keys(core),
        generations=await sweep_generations(core),
        folders=await finish_folders(core),
    )


async def sweep_forever(core: Core, every: float = 3600.0) -> None:
    """Sweep every so many seconds until cancelled; what fails is tried again the next time."""
    while True:
        await asyncio.sleep(every)
        for part in (
            sweep_contents,
            sweep_orphans,
            sweep_keys,
            sweep_generations,
            finish_folders,
        ):
            try:
                await part(core)
            except WorkpostError as error:
                log.warning("%s failed: %s", part.__name__, error)


# --- contents ------------------------------------------------------------------------------------


@command
def delete_garbage(tx: Tx, *, content_ids: list[bytes]) -> list[tuple[bytes, int]]:
    """Delete the unreferenced ones of these due candidates: (id, place) of each."""
    return contents.delete_unreferenced(tx, content_ids=content_ids)


async def sweep_contents(core: Core) -> int:
    """Delete what was released a day ago and has no reference; returns how many."""
    count = 0
    while due := await core.store.read(contents.due_garbage, now=core.env.now(), limit=SLICE):
        gone = await core.store.write_background(delete_garbage, content_ids=due)
        count += len(gone)
        await _delete_outside(core, [content_id for content_id, place in gone if place == FILE])
        objects = [content_id for content_id, place in gone if place == S3]
        if objects and core.contents.objects is not None:
            await asyncio.to_thread(core.contents.objects.delete, objects)
    return count


async def _delete_outside(core: Core, content_ids: list[bytes]) -> None:
    def delete() -> None:
        for content_id in content_ids:
            core.contents.files.delete(content_id)

    if content_ids:
        await asyncio.to_thread(delete)


async def sweep_orphans(core: Core) -> int:
    """Delete files and objects that are a day old and that no content row knows."""
    before = core.env.now() - DAY_MS
    count = 0
    for files in _slices(core.contents.files.orphans(before)):
        some = await asyncio.to_thread(next, files, None)
        while some is not None:
            count += await _delete_unknown_files(core, some)
            some = await asyncio.to_thread(next, files, None)
    objects = core.contents.objects
    if objects is not None:
        found = _slices(objects.orphans(before))
        for ids in found:
            page = await asyncio.to_thread(next, ids, None)
            while page is not None:
                known = await core.store.read(contents.known_contents, content_ids=page)
                unknown = [content_id for content_id in page if content_id not in known]
                await asyncio.to_thread(objects.delete, unknown)
                count += len(unknown)
                page = await asyncio.to_thread(next, ids, None)
    return count

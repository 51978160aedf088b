"""The sweeper: what is left over goes, a day later and in slices.

- contents that nothing refers to, a day after the last reference went
- files and objects that no content row knows, a day after they were written
- keys that were made for a row that never came, a day after they were made
- superseded generations of keys, an hour after nothing was first seen to refer to them
- folders whose deletion a crash cut short
- tombstones, trace events and expired tokens of more than 90 days (`expiry.py`)

Everything here can be repeated, run on several nodes at once, and end anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from workpost.domain.messages import removing
from workpost.kernel.errors import KeyDestroyed, MailboxNotFound, WorkpostError
from workpost.kernel.principal import Grant
from workpost.operations.functions.buckets import sweep_buckets
from workpost.operations.upkeep import rotation
from workpost.operations.upkeep.expiry import expire
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


async def sweep_forever(core: Core, every: float = 3600.0, soon: float = 60.0) -> None:
    """Sweep every so many seconds until cancelled; what fails is tried again the next time.

    The first time after about `soon` seconds: a server that is often restarted sweeps, too, and
    nodes that start together do not sweep together.
    """
    pause = min(soon, every) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads, hides nothing
    while True:
        await asyncio.sleep(pause)
        pause = every
        for part in (
            sweep_contents,
            sweep_orphans,
            sweep_keys,
            sweep_generations,
            finish_folders,
            sweep_buckets,
            expire,
        ):
            try:
                await part(core)
            except WorkpostError as error:
                log.warning("%s failed: %s", part.__name__, error)
            except Exception:  # what one part cannot do must not keep the others from their work
                log.exception("%s failed", part.__name__)


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
    async for files in _in_slices(core.contents.files.orphans(before)):
        ids = [content_id for content_id, _ in files]
        known = await core.store.read(contents.known_contents, content_ids=ids)
        # What was never renamed is no content, whatever its name says.
        orphans = [file for content_id, file in files if content_id not in known or file.suffix]
        await asyncio.to_thread(_unlink, orphans)
        count += len(orphans)
    objects = core.contents.objects
    if objects is not None:
        async for ids in _in_slices(objects.orphans(before)):
            known = await core.store.read(contents.known_contents, content_ids=ids)
            unknown = [content_id for content_id in ids if content_id not in known]
            await asyncio.to_thread(objects.delete, unknown)
            count += len(unknown)
    return count


def _unlink(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


async def _in_slices(found: Iterator[T]) -> AsyncIterator[list[T]]:
    """Walk a blocking iterator in threads, a slice at a time."""
    while some := await asyncio.to_thread(lambda: list(itertools.islice(found, SLICE))):
        yield some


# --- keys ----------------------------------------------------------------------------------------


async def sweep_keys(core: Core) -> int:
    """Destroy keys that were made a day ago for a mailbox or organization that never came.

    Such a key has sealed nothing that lasted. A mailbox's key goes only when its organization is
    there, an organization's only when it wraps nothing: so a sweep against the wrong, or an empty,
    database destroys no key that matters.
    """
    store = core.keys.hierarchy.store
    before = core.env.now() - DAY_MS
    count = 0
    cursor: Cursor = START
    while page := await core.keys.run(store.page, after=cursor, limit=SLICE):
        cursor = (page[-1].scope, page[-1].gen)
        old = [row for row in page if row.destroyed_at is None and row.created < before]
        for scope in await _orphan_scopes(core, old):
            kind, _, name = scope.partition("/")
            if kind == "org" and await core.keys.run(store.has_children, scope):
                continue
            log.info("destroying the key of %s, which never came to be", scope)
            count += await core.keys.run(store.destroy, scope, None, core.env.now())
            if kind == "mailbox":
                await core.keys.run(store.destroy, tag_scope(int(name)), None, core.env.now())
    return count


async def _orphan_scopes(core: Core, rows: list[KeyRow]) -> list[str]:
    boxes = {int(row.scope[8:]): row.parent[4:] for row in rows if row.scope.startswith("mailbox/")}
    orgs = {row.scope[4:] for row in rows if row.scope.startswith("org/")}
    known_boxes = await core.store.read(rewrap.known_mailboxes, ids=list(boxes))
    known_orgs = await core.store.read(
        rewrap.known_organizations, ids=list(orgs | set(boxes.values()))
    )
    orphans = [mailbox_scope(box) for box in boxes if box not in known_boxes]
    return [scope for scope in orphans if boxes[int(scope[8:])] in known_orgs] + [
        org_scope(org) for org in orgs if org not in known_orgs
    ]


async def sweep_generations(core: Core) -> int:
    """Move what still refers to superseded generations, and destroy those that nothing refers to.

    A generation is destroyed an hour after a whole pass first found nothing under it, and if
    another pass still finds nothing. What this database does not know is left alone: a sweep
    against the wrong, or an empty, one would find nothing under any key. Returns how many were
    destroyed.
    """
    store = core.keys.hierarchy.store
    count = 0
    cursor: Cursor = START
    while page := await core.keys.run(store.superseded, after=cursor, limit=SLICE):
        cursor = (page[-1].scope, page[-1].gen)
        for row in page:
            try:
                count += await _sweep_generation(core, row)
            except KeyDestroyed:
                continue
    superseded_before = core.env.now() - RETIRED_MS
    await rotation.rewrap_master(core)
    return count + await core.keys.run(core.keys.hierarchy.drop_ring_versions, superseded_before)


async def _sweep_generation(core: Core, row: KeyRow) -> int:
    store = core.keys.hierarchy.store
    moved = await _rewrap_scope(core, row)
    now = core.env.now()
    if moved or await core.keys.run(store.has_children, row.scope, row.gen):
        await core.keys.run(store.retire, row.scope, row.gen, None)
    elif not await _is_known(core, row):
        return 0
    elif row.retired_at is None:
        await core.keys.run(store.retire, row.scope, row.gen, now)
    elif row.retired_at <= now - RETIRED_MS:
        log.info("destroying generation %d of %s", row.gen, row.scope)
        return await core.keys.run(store.destroy, row.scope, row.gen, now)
    return 0


async def _is_known(core: Core, row: KeyRow) -> bool:
    """Whether this database has what a key is for."""
    kind, _, name = row.scope.partition("/")
    if row.scope == SYSTEM:
        return bool(await core.store.read(rewrap.page_organizations, after="", limit=1))
    if kind == "org":
        return bool(await core.store.read(rewrap.known_organizations, ids=[name]))
    return bool(await core.store.read(rewrap.known_mailboxes, ids=[int(name)]))


async def _rewrap_scope(core: Core, row: KeyRow) -> int:
    kind, _, name = row.scope.partition("/")
    if row.scope == SYSTEM:
        return await rotation.rewrap_system(core)
    if kind == "org":
        return await rotation.rewrap_organization(core, name)
    return await rotation.rewrap_mailbox(core, row.parent.removeprefix("org/"), int(name))


# --- folders -------------------------------------------------------------------------------------


async def finish_folders(core: Core) -> int:
    """Finish deletions of folders that a crash cut short; returns how many."""
    begun = await core.store.read(folders.list_deleting, limit=SLICE)
    for organization, mailbox, folder in begun:
        grant = Grant.system("upkeep", organization, mailbox)
        try:
            await removing.finish_deletion(core, grant, folder)
        except MailboxNotFound:
            continue  # a disabled mailbox: it comes back as it is, or goes as a whole
    return len(begun)

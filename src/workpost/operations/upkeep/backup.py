"""`workpost backup` and `workpost keys backup`: two files that make a restore together.

The data's backup is one snapshot of every table, and the large contents that it refers to. It is
consistent while the server runs: what was removed keeps its content for a day, so a backup that
takes less finds everything that its snapshot refers to. It holds no key: without the other file
nobody can read a message in it. Its copy of the shred list names keys that are gone, for restores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec

from workpost.integrations.kms.base import RING
from workpost.integrations.kms.ring import KeyRing
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Fault
from workpost.kernel.settings import Settings
from workpost.operations.upkeep.archive import DATA, KEYS, ArchiveWriter, Head
from workpost.store.content.chunks import sealed_size
from workpost.store.content.files import ContentFiles
from workpost.store.content.objects import ContentObjects
from workpost.store.content.types import FILE, INLINE
from workpost.store.dump.reading import Dump, open_dump
from workpost.store.dump.tables import Row, pack_rows, tables_of
from workpost.store.keys.build import open_key_store
from workpost.store.keys.hierarchy import START, Cursor
from workpost.store.keys.records import SYSTEM, KeyRow, KeyStore

SHRED = "shred.json"
KEYRING = "keyring.json"
PAGE = 1_000
TOPMOST: Cursor = ("org/", 0)

_RECORD = 25
"""Bytes of a content in the list of those to copy: id, size, place."""


class BackedUp(msgspec.Struct):
    """What a backup holds."""

    bytes: int = 0
    rows: int = 0
    contents: int = 0
    keys: int = 0
    missing: list[str] = []
    """Contents that the snapshot refers to and that are not there: `workpost check` says more."""


def back_up_data(
    settings: Settings, path: Path, env: Environment, *, objects: bool = True
) -> BackedUp:
    """Write the backup of the data; `objects=False` leaves out what lies in S3.

    Blocking; runs beside a server. Raises TryLater.
    """
    done = BackedUp()
    with tempfile.TemporaryFile() as outside, ExitStack() as snapshot:
        dump = snapshot.enter_context(open_dump(settings))
        tables = {table: dump.columns(table) for table in tables_of(dump.schema)}
        head = Head(DATA, env.now(), dump.schema, dump.engine, objects, tables)
        with ArchiveWriter(path, head) as archive:
            for table in tables:
                _add_table(archive, dump, table, outside, done)
            snapshot.close()
            store = open_key_store(settings)
            try:
                archive.add(SHRED, msgspec.json.encode(store.shred_list()))
            finally:
                store.close()
            _add_contents(archive, settings, outside, objects, done)
    done.bytes = archive.bytes
    return done


def _add_table(
    archive: ArchiveWriter, dump: Dump, table: str, outside: IO[bytes], done: BackedUp
) -> None:
    rows = dump.rows(table)
    if table == "content":
        columns = dump.columns(table)
        rows = _noting(rows, [columns.index(name) for name in ("id", "size", "place")], outside)
    for number, chunk in enumerate(pack_rows(_counting(rows, done))):
        archive.add(f"tables/{table}/{number:08d}", chunk)


def _counting(rows: Iterator[Row], done: BackedUp) -> Iterator[Row]:
    for row in rows:
        done.rows += 1
        yield row


def _noting(rows: Iterator[Row], places: list[int], outside: IO[bytes]) -> Iterator[Row]:
    for row in rows:
        content_id, size, place = (row[at] for at in places)
        if place != INLINE:
            outside.write(bytes(content_id) + size.to_bytes(8, "big") + bytes((place,)))
        yield row


def _add_contents(
    archive: ArchiveWriter,
    settings: Settings,
    outside: IO[bytes],
    objects: bool,
    done: BackedUp,
) -> None:
    files = ContentFiles(settings.content_dir)
    bucket = content_objects(settings) if objects else None
    outside.seek(0)
    while record := outside.read(_RECORD):
        content_id, place = record[:16], record[24]
        size = int.from_bytes(record[16:24], "big")
        holder = files if place == FILE else bucket
        if holder is None:
            continue
        try:
            sealed = holder.read(content_id, 0, sealed_size(size))
        except Fault:
            done.missing.append(content_id.hex())
            continue
        archive.add(f"content/{content_id.hex()}", sealed)
        done.contents += 1
    done.missing = _still_referred_to(settings, done.missing)


def _still_referred_to(settings: Settings, missing: list[str]) -> list[str]:
    """Leave out what the sweeper took between the snapshot and the copying."""
    if not missing:
        return []
    with open_dump(settings) as dump:
        at = dump.columns("content").index("id")
        known = {bytes(row[at]).hex() for row in dump.rows("content")}
    return [content_id for content_id in missing if content_id in known]


def content_objects(settings: Settings) -> ContentObjects | None:
    """The bucket of the settings, None when there is none."""
    if not settings.content.s3_bucket:
        return None
    from workpost.integrations.s3.aws import Bucket

    bucket = Bucket(settings.content.s3_bucket, settings.api.region)
    return ContentObjects(bucket, settings.content.s3_prefix)


# --- keys ----------------------------------------------------------------------------------------


def back_up_keys(settings: Settings, path: Path, env: Environment) -> BackedUp:
    """Write the backup of the key store, the shred list and the local key ring, if in use.

    Take it after the data's: keys that the data needs are then in it. Blocking; raises TryLater,
    and SettingsError for a key store without any key.
    """
    done = BackedUp()
    store = open_key_store(settings, needed=True)
    try:
        with ArchiveWriter(path, Head(KEYS, env.now())) as archive:
            for number, page in enumerate(_key_pages(store)):
                live = [row for row in page if row.destroyed_at is None]
                archive.add(f"keys/{number:08d}", msgspec.msgpack.encode(live))
                done.keys += len(live)
            archive.add(SHRED, msgspec.json.encode(store.shred_list()))
            if store.has_children(RING):
                archive.add(KEYRING, KeyRing(settings.keyring_path, env).export())
    finally:
        store.close()
    done.bytes = archive.bytes
    return done


def _key_pages(store: KeyStore) -> Iterator[list[KeyRow]]:
    """All rows, then the topmost ones again: what a child was moved to meanwhile is among them."""
    cursor = START
    while page := store.page(after=cursor, limit=PAGE):
        cursor = (page[-1].scope, page[-1].gen)
        yield page
    cursor = TOPMOST
    while page := store.page(after=cursor, limit=PAGE):
        cursor = (page[-1].scope, page[-1].gen)
        yield [row for row in page if row.scope == SYSTEM or row.scope.startswith("org/")]
        if cursor[0] > SYSTEM:
            return

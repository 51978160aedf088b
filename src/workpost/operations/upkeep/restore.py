"""`workpost restore`: the two backups together become a data directory again.

Everything is verified before anything is written. The directory is built under another name
(`DIR.restoring`) and renamed at the end, so that a restore cut short is never served by mistake.
On the way:

- what the shred lists name (those in both files, and newer ones given beside them) is destroyed
  among the keys and left out of the rows: shredded means gone;
- every mailbox gets a new epoch, so that no client believes its old state to be the present one;
- large contents go where the settings say, whatever the place they came from.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from workpost.integrations.kms.ring import write_private
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict
from workpost.kernel.settings import Settings
from workpost.operations.upkeep.archive import (
    DATA,
    KEYS,
    Archive,
    BackupDamaged,
    RestoreRefused,
)
from workpost.operations.upkeep.backup import KEYRING, SHRED, content_objects
from workpost.operations.upkeep.shredded import RowFilter
from workpost.store.content.files import ContentFiles
from workpost.store.content.types import FILE, S3
from workpost.store.dump.loading import Loader, open_loader
from workpost.store.dump.tables import unpack_rows
from workpost.store.keys.build import MasterTable, open_key_store
from workpost.store.keys.hierarchy import START, Hierarchy
from workpost.store.keys.records import KeyRow, KeyStore, Shred

STAGING = ".restoring"

_decode_keys = msgspec.msgpack.Decoder(list[KeyRow]).decode
_decode_shred = msgspec.json.Decoder(list[Shred]).decode


class Restored(msgspec.Struct):
    """What a restore brought back."""

    rows: int = 0
    contents: int = 0
    keys: int = 0
    shredded: int = 0
    """Mailboxes and organizations that the shred lists name, and that were left out."""
    mailboxes_without_key: int = 0
    """More than 0: the backup of the keys is older than that of the data."""


def restore(
    settings: Settings,
    data: Path,
    keys: Path,
    env: Environment,
    *,
    shred_lists: Sequence[Path] = (),
) -> Restored:
    """Restore into the empty place of the settings. Blocking; nothing else may run on it.

    Raises BackupDamaged, RestoreRefused (not empty), SchemaTooNew, TryLater.
    """
    archive, key_archive = Archive(data), Archive(keys)
    _check_kinds(archive, key_archive)
    later = [entry for path in shred_lists for entry in _read_shred_list(path)]
    if not archive.head.objects and not settings.content.s3_bucket:
        raise RestoreRefused("contents lie in S3 and are not in the file: set content.s3_bucket")
    archive.verify()
    key_archive.verify()
    staging = _stage(settings)
    staged = msgspec.structs.replace(settings, data_dir=str(staging))
    done = Restored()
    try:
        with open_loader(staged, archive.head.schema) as loader:
            shredded = _restore_keys(staged, archive, key_archive, later, env, done)
            _restore_data(staged, loader, archive, shredded, env, done)
    except BaseException as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, Conflict):
            raise RestoreRefused(f"{error.message}; restore into an empty place") from error
        raise
    if settings.data.exists():
        settings.data.rmdir()
    staging.rename(settings.data)
    _sync_folder(settings.data.parent)
    return done


def _sync_folder(folder: Path) -> None:
    """Make a rename last, whatever happens to the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_kinds(archive: Archive, key_archive: Archive) -> None:
    if archive.head.kind != DATA:
        raise RestoreRefused("the first file is a backup of keys; give that of the data first")
    if key_archive.head.kind != KEYS:
        raise RestoreRefused("the file given with --keys is no backup of keys")


def _stage(settings: Settings) -> Path:
    target = settings.data
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RestoreRefused(f"{target} is not empty; restore into a new directory")
    staging = target.with_name(target.name + STAGING)
    if staging.exists():
        raise RestoreRefused(f"{staging} is there from a restore cut short; remove it first")
    staging.mkdir(mode=0o700, parents=True)
    return staging


def _read_shred_list(path: Path) -> list[Shred]:
    """The entries of a `shred.log`; a line cut short by a crash was never acted upon."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RestoreRefused(f"the shred list {path} cannot be read") from error
    found = []
    for line in filter(None, lines):
        try:
            found.append(msgspec.json.decode(line, type=Shred))
        except msgspec.DecodeError:
            continue
    return found


# --- keys ----------------------------------------------------------------------------------------


def _restore_keys(
    settings: Settings,
    archive: Archive,
    key_archive: Archive,
    later: list[Shred],
    env: Environment,
    done: Restored,
) -> set[str]:
    """Fill the key store; returns the scopes that were shredded."""
    store = open_key_store(settings)
    try:
        if store.page(after=START, limit=1):
            raise Conflict("the key store is not empty")
        entries = {(entry.at, entry.scope): entry for entry in later}
        for name, content in key_archive.entries():
            if name == SHRED:
                entries |= {(e.at, e.scope): e for e in _decode_shred(content)}
            elif name == KEYRING:
                _restore_ring(settings, content)
            else:
                rows = _decode_keys(content)
                store.restore(rows)
                done.keys += len(rows)
        for name, content in archive.entries():
            if name == SHRED:
                entries |= {(e.at, e.scope): e for e in _decode_shred(content)}
        _shred(store, settings, list(entries.values()), env)
        done.shredded = len({entry.scope for entry in entries.values()})
        return {entry.scope for entry in entries.values()}
    finally:
        store.close()


def _restore_ring(settings: Settings, content: bytes) -> None:
    path = settings.keyring_path
    if path.exists():
        if path.read_bytes() != content:
            raise Conflict(f"the key ring {path} exists already")
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, content)


def _shred(store: KeyStore, settings: Settings, entries: list[Shred], env: Environment) -> None:
    for entry in sorted(entries, key=lambda entry: (entry.at, entry.scope)):
        store.append_shred(entry)
    Hierarchy(store, MasterTable(settings, env), env).apply_shred_list()


# --- data ----------------------------------------------------------------------------------------


def _restore_data(
    settings: Settings,
    loader: Loader,
    archive: Archive,
    shredded: set[str],
    env: Environment,
    done: Restored,
) -> None:
    head = archive.head
    objects = content_objects(settings)
    place = S3 if objects is not None else FILE
    rows = RowFilter(
        head.tables,
        shredded,
        epoch=env.now() // 1000,
        place=place if head.objects else None,
    )
    holder = objects if objects is not None else ContentFiles(settings.content_dir)
    for name, content in archive.entries():
        kind, _, rest = name.partition("/")
        if kind == "tables":
            _load(loader, head.tables, rest.partition("/")[0], content, rows, done)
        elif kind == "content":
            holder.write(bytes.fromhex(rest), content)
            done.contents += 1
    if shredded:
        loader.release_unreferenced(env.now())
    done.mailboxes_without_key = _without_key(settings, rows.mailboxes)


def _without_key(settings: Settings, mailboxes: Iterable[int]) -> int:
    store = open_key_store(settings)
    try:
        rows = (store.load(f"mailbox/{mailbox}") for mailbox in mailboxes)
        return sum(row is None or row.destroyed_at is not None for row in rows)
    finally:
        store.close()


def _load(
    loader: Loader,
    tables: dict[str, list[str]],
    table: str,
    chunk: bytes,
    rows: RowFilter,
    done: Restored,
) -> None:
    columns = tables.get(table)
    if columns is None:
        raise BackupDamaged(f"the backup has rows of an unknown table {table}")
    kept = rows.keep(table, unpack_rows(chunk))
    loader.load(table, columns, kept)
    done.rows += len(kept)

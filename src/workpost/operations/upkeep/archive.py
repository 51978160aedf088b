"""The file of a backup: a plain tar, checksummed as a whole, written and read as a stream.

The first entry, `backup.json`, says what it is; the last, `end.json`, holds the number of entries
before it and one SHA-256 over all of their names, lengths and bytes. A file that lacks its end was
cut short. It is written under another name, mode 0600, synced, and only then renamed.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from workpost.kernel.errors import WorkpostError

HEAD = "backup.json"
END = "end.json"
FORMAT = 1
DATA = "data"
KEYS = "keys"


class BackupDamaged(WorkpostError):
    """The file is no backup of Workpost, is cut short, or a byte of it changed."""


class RestoreRefused(WorkpostError):
    """The place to restore to is not empty, or the files do not fit together."""


class Head(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    kind: str
    """`data` or `keys`."""
    created: int
    schema: int = 0
    engine: str = ""
    objects: bool = True
    """Whether contents that lie in S3 are in the file."""
    tables: dict[str, list[str]] = {}
    format: int = FORMAT


class End(msgspec.Struct, frozen=True):
    """What must come out of everything before it."""

    entries: int
    sha256: str


class _Sum:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._entries = 0

    def add(self, name: str, data: bytes) -> None:
        self._hash.update(f"{name}\0{len(data)}\0".encode())
        self._hash.update(data)
        self._entries += 1

    def end(self) -> End:
        return End(self._entries, self._hash.hexdigest())


class ArchiveWriter:
    """Writes one backup; the file is there under its name only when the block ended well."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._sum = _Sum()
        self._head = head
        self._created = head.created // 1000
        self.bytes = 0

    def __enter__(self) -> Self:
        handle = os.open(self._partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w|")
        self.add(HEAD, msgspec.json.format(msgspec.json.encode(self._head)))
        return self

    def add(self, name: str, data: bytes) -> None:
        """Append an entry."""
        self._sum.add(name, data)
        self._append(name, data)

    def _append(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = len(data), self._created, 0o600
        self._tar.addfile(entry, io.BytesIO(data))
        self.bytes += len(data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._append(END, msgspec.json.encode(self._sum.end()))
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        if kind is not None:
            self._partial.unlink(missing_ok=True)
            return
        self._partial.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Archive:
    """A backup that was written. Every method raises BackupDamaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        name, data = next(self._raw(), ("", b""))
        try:
            self.head = msgspec.json.decode(data, type=Head)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._damaged("is no backup of Workpost") from error
        if name != HEAD:
            raise self._damaged("is no backup of Workpost")
        if self.head.format != FORMAT:
            raise self._damaged(f"has format {self.head.format}, which this version cannot read")

    def verify(self) -> int:
        """Read all of it and compare the checksum; returns the number of entries."""
        total = _Sum()
        end = None
        for name, data in self._raw():
            if end is not None:
                raise self._damaged("goes on after its end")
            if name == END:
                end = data
            else:
                total.add(name, data)
        if end is None:
            raise self._damaged("is cut short")
        truth = total.end()
        if msgspec.json.encode(truth) != end:
            raise self._damaged("does not fit its checksum")
        return truth.entries

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """(name, bytes) of every entry between head and end, in order."""
        for name, data in self._raw():
            if name not in {HEAD, END}:
                yield name, data

    def _raw(self) -> Iterator[tuple[str, bytes]]:
        try:
            with tarfile.open(self._path, mode="r|") as tar:
                for entry in tar:
                    held = tar.extractfile(entry)
                    if held is None:
                        raise self._damaged("holds something that is no file")
                    data = held.read()
                    if len(data) != entry.size:
                        raise self._damaged("is cut short")
                    yield entry.name, data
        except FileNotFoundError:
            raise BackupDamaged(f"{self._path} is not there") from None
        except (tarfile.TarError, OSError, ValueError) as error:
            raise self._damaged(f"cannot be read ({error})") from error

    def _damaged(self, what: str) -> BackupDamaged:
        return BackupDamaged(f"{self._path} {what}")

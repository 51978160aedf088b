"""Contents as files: `DIR/content/aa/bb/<32 hex digits>`, sealed, mode 0600.

A file is written under another name, synced, renamed, and its folder synced: under its own name it
is whole or not there. The two folder levels are the id's last two bytes, which are random (its
first six are the time). What a crash leaves under another name is swept like any orphan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from workpost.kernel.errors import Fault, TryLater

WORKING = ".new"


class ContentFiles:
    """The folder of large contents. Blocking; called in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, content_id: bytes) -> Path:
        """Where a content lies."""
        name = content_id.hex()
        return self._folder / name[-2:] / name[-4:-2] / name

    def write(self, content_id: bytes, sealed: bytes) -> None:
        """Write a content; durable when it returns. Raises TryLater (disk full, I/O error)."""
        path = self.path(content_id)
        working = path.with_name(path.name + WORKING)
        try:
            self._make_folder(path.parent)
            handle = os.open(working, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            try:
                rest = memoryview(sealed)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            working.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise TryLater(f"a content cannot be written: {error.strerror}") from error

    def read(self, content_id: bytes, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of the sealed form.

        Raises Fault when they are not there, TryLater when the disk does not answer.
        """
        try:
            handle = os.open(self.path(content_id), os.O_RDONLY)
            try:
                data = os.pread(handle, end - start, start)
            finally:
                os.close(handle)
        except FileNotFoundError:
            raise Fault(f"content {content_id.hex()} has no file") from None
        except OSError as error:
            raise TryLater(f"a content cannot be read: {error.strerror}") from error
        if len(data) != end - start:
            raise Fault(f"the file of content {content_id.hex()} is cut short")
        return data

    def size(self, content_id: bytes) -> int | None:
        """Length of the sealed form, None when there is no file."""
        try:
            return self.path(content_id).stat().st_size
        except OSError:
            return None

    def delete(self, content_id: bytes) -> None:
        """Delete a content's file; one that is not there is no error."""
        self.path(content_id).unlink(missing_ok=True)

    def orphans(self, before: int) -> Iterator[tuple[bytes, Path]]:
        """Files last written before that time (ms), unfinished ones too, folder by folder.

        They are candidates: the caller deletes those that no content row knows.
        """
        for outer in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for inner in sorted(outer.glob("[0-9a-f][0-9a-f]")):
                for file in sorted(inner.iterdir()):
                    content_id = _id_of(file.name.removesuffix(WORKING))
                    if content_id is not None and _modified(file) < before:
                        yield content_id, file

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        for each in (self._folder, folder.parent, folder):
            try:
                each.mkdir(mode=0o700, parents=each is self._folder)
            except FileExistsError:
                continue
            _sync_folder(each.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _id_of(name: str) -> bytes | None:
    try:
        content_id = bytes.fromhex(name)
    except ValueError:
        return None
    return content_id if len(content_id) == 16 else None


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime * 1000
    except FileNotFoundError:
        return float("inf")

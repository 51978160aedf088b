"""A folder that stands for a bucket: the embedded `Depot`.

Objects are files of mode 0600, their names the paths below the folder. An upload is a file beside
its object, written part after part, synced and renamed at the end. What lies here is the tenant's
own copy: nothing is sealed, and no KMS key is asked.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from workpost.integrations.s3.depot import Gone, Refused
from workpost.kernel.errors import TryLater

UPLOADING = ".uploading-"
MAX_NAME = 200
"""Bytes between two slashes of an object's name; the upload's suffix has to fit behind it."""
FOR_GOOD = (IsADirectoryError, NotADirectoryError, FileExistsError, PermissionError)


class FolderDepot:
    """The folder; implements `Depot`. `check` makes it.

    Only the instance that began an upload can add to it: an upload does not outlive its process.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ends: dict[str, list[int]] = {}

    def check(self) -> None:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _translated(error) from error

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(16)
        try:
            self._path(name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            working = self._working(name, upload)
            os.close(os.open(working, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise _translated(error) from error
        self._ends[upload] = [0]
        return upload

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        ends = self._ends.get(upload, [])
        if not 1 <= number <= len(ends):
            raise Gone(f"the upload of {name} is not there")
        try:
            handle = os.open(self._working(name, upload), os.O_WRONLY)
            try:
                start = ends[number - 1]
                os.ftruncate(handle, start)
                rest = memoryview(data)
                while rest:
                    done = os.pwrite(handle, rest, start + len(data) - len(rest))
                    rest = rest[done:]
            finally:
                os.close(handle)
        except FileNotFoundError:
            raise Gone(f"the upload of {name} is not there") from None
        except OSError as error:
            raise _translated(error) from error
        ends[number:] = [start + len(data)]
        return str(ends[number])

    def complete(self, name: str, upload: str, tags: Sequence[str]) -> None:
        working, path = self._working(name, upload), self._path(name)
        try:
            _sync(working)
            working.rename(path)
            self._sync_folders(path.parent)
        except FileNotFoundError:
            raise Gone(f"the upload of {name} is not there") from None
        except OSError as error:
            raise _translated(error) from error
        self._ends.pop(upload, None)

    def abort(self, name: str, upload: str) -> None:
        try:
            self._working(name, upload).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise _translated(error) from error
        self._ends.pop(upload, None)

    def unfinished(self, name: str) -> list[str]:
        path = self._path(name)
        start = path.name + UPLOADING
        try:
            names = [entry.name for entry in path.parent.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _translated(error) from error
        return [each.removeprefix(start) for each in names if each.startswith(start)]

    def put(self, name: str, data: bytes) -> None:
        upload = self.begin(name)
        self.complete(name, upload, [self.put_part(name, upload, 1, data)])

    def _working(self, name: str, upload: str) -> Path:
        path = self._path(name)
        return path.with_name(f"{path.name}{UPLOADING}{upload}")

    def _path(self, name: str) -> Path:
        """Where an object lies. Raises Refused for a name that is no place within the folder."""
        parts = name.split("/")
        for part in parts:
            if part in {"", ".", ".."} or "\0" in part or "\\" in part:
                raise Refused(f"{name!r} is no name for an object in a folder")
            if len(part.encode()) > MAX_NAME:
                raise Refused(f"{name!r} has more than {MAX_NAME} bytes between two slashes")
        path = self._root.joinpath(*parts)
        # A link that somebody put into the folder does not lead out of it either.
        if not path.parent.resolve().is_relative_to(self._root.resolve()):
            raise Refused(f"{name!r} leads out of the folder")
        return path

    def _sync_folders(self, folder: Path) -> None:
        """Make a new name durable, and those of the folders above it."""
        while True:
            _sync(folder)
            if folder == self._root:
                return
            folder = folder.parent


def _translated(error: OSError) -> Exception:
    reason = error.strerror or type(error).__name__
    if isinstance(error, FOR_GOOD):
        return Refused(f"the folder of the bucket cannot be written: {reason}")
    return TryLater(f"the folder of the bucket cannot be written: {reason}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

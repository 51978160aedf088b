"""A folder that stands for a bucket: the embedded `Depot`.

Objects are files of mode 0600, their names the paths below the folder. An upload is a file beside
its object, written part after part, synced and renamed at the end. What lies here is the tenant's
own copy: nothing is sealed, and no KMS key is asked.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from workpost.integrations.s3.depot import Entry, Gone, NoObject, Refused, TooLarge
from workpost.kernel.errors import TryLater

UPLOADING = ".uploading-"
_UNFINISHED = re.compile(r".*\.uploading-[0-9a-f]{32}", re.DOTALL)
NO_VERSION = ("", "null")
"""What S3 calls the version of objects in a bucket that keeps none."""
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
        try:
            self.complete(name, upload, [self.put_part(name, upload, 1, data)])
        except BaseException:
            # Unfinished files are in no list: whoever may put objects could fill the disk unseen.
            with contextlib.suppress(Refused, TryLater):
                self.abort(name, upload)
            raise

    def fetch(self, name: str, version: str, limit: int) -> bytes:
        handle = self._open(name) if version in NO_VERSION else None
        if handle is None:
            raise _no_object(name)
        with os.fdopen(handle, "rb") as file:
            try:
                data = file.read(limit + 1)
            except OSError as error:
                raise _translated(error, "read") from error
        if len(data) > limit:
            raise TooLarge(f"the object has more than {limit} bytes")
        return data

    def look(self, name: str) -> Entry:
        handle = self._open(name)
        if handle is None:
            raise _no_object(name)
        try:
            return _entry(name, os.fstat(handle))
        finally:
            os.close(handle)

    def entries(self, prefix: str, after: str, limit: int) -> Sequence[Entry]:
        found = (
            (name.encode(), _entry(name, facts))
            for name, facts in self._walk(prefix)
            if name.encode() > after.encode()
        )
        return [entry for _, entry in heapq.nsmallest(limit, found, key=lambda pair: pair[0])]

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except (NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            if path.is_dir():
                return
            raise _translated(error) from error

    def _open(self, name: str) -> int | None:
        """The file of an object; None when there is none. Neither links nor pipes are objects."""
        path = self._path(name)
        if _UNFINISHED.fullmatch(path.name):
            return None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if path.is_symlink():
                return None
            raise _translated(error, "read") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return None
        return handle

    def _walk(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        """Name and status of every object whose name begins with `prefix`."""
        above = prefix.rpartition("/")[0]
        top = self._path(above) if above else self._root
        if not top.resolve().is_relative_to(self._root.resolve()):
            return
        for folder, _, files in os.walk(top):
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self._root).as_posix()
                if not name.startswith(prefix) or _UNFINISHED.fullmatch(file):
                    continue
                try:
                    facts = path.lstat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(facts.st_mode):
                    yield name, facts

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


def _no_object(name: str) -> NoObject:
    return NoObject(f"the folder of the bucket has no object {name!r}")


def _entry(name: str, facts: os.stat_result) -> Entry:
    # A new object is a new file: its number and time tell it from the one before.
    tag = f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"
    return Entry(name, facts.st_size, facts.st_mtime_ns // 1_000_000, tag)


def _translated(error: OSError, done: str = "written") -> Exception:
    reason = error.strerror or type(error).__name__
    if isinstance(error, FOR_GOOD):
        return Refused(f"the folder of the bucket cannot be {done}: {reason}")
    return TryLater(f"the folder of the bucket cannot be {done}: {reason}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

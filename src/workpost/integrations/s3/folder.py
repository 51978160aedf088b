"""A folder that stands for a bucket: the embedded `Depot`.

Objects are files of mode 0600, their names the paths below the folder. An upload is a file beside
its object, written part after part, synced and renamed at the end. What lies here is the tenant's
own copy: nothing is sealed, and no KMS key is asked.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from workpost.formats.checksums import Sum
from workpost.integrations.s3.depot import (
    ANYTHING,
    Condition,
    ConditionFailed,
    Entry,
    Gone,
    NoObject,
    Reading,
    Refused,
    TooLarge,
    Uploads,
    Writing,
)
from workpost.integrations.s3.folder_files import (
    UNFINISHED,
    UPLOADING,
    entry_of,
    is_file,
    keep_tag,
    make_file,
    sum_kept,
    sync,
    translated,
    write,
)
from workpost.integrations.s3.folder_listing import Listing
from workpost.integrations.s3.folder_pieces import FileReading, FileWriting
from workpost.integrations.s3.folder_uploads import FolderUploads
from workpost.integrations.s3.folder_usage import Bounds, Usage
from workpost.kernel.errors import TryLater

NO_VERSION = ("", "null")
"""What S3 calls the version of objects in a bucket that keeps none."""
MAX_NAME = 200
"""Bytes between two slashes of an object's name; the upload's suffix has to fit behind it."""
TRIES = 8
"""To make a file in a folder that others throw away as they empty it."""


class NoPlace(Refused):
    """No object can have this name in a folder."""


class FolderDepot:
    """The folder; implements `Depot`. `check` makes it.

    With `bounds` it takes no more than they allow. Only the instance that began an upload by
    `begin` can add to it, which does not outlive its process; those of `uploads` do.
    """

    def __init__(self, root: Path, bounds: Bounds | None = None) -> None:
        self._root = root
        self._ends: dict[str, list[int]] = {}
        self._listing = Listing()
        beside = root.with_name(f".{root.name}.uploads")
        self.usage = Usage(root, beside, bounds)
        self._uploads = FolderUploads(beside, self, self.usage)

    @property
    def uploads(self) -> Uploads:
        return self._uploads

    def check(self) -> None:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise translated(error) from error

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(16)
        try:
            self.usage.charge(0, lambda: self._make(name, upload, 0))
        except OSError as error:
            raise translated(error) from error
        self._ends[upload] = [0]
        return upload

    def _make(self, name: str, upload: str, size: int) -> int:
        """Make the file that is to be written, and its folders; tells how many that are."""
        for _ in range(TRIES):
            made = self.make_folders(name)
            with contextlib.suppress(FileNotFoundError):
                make_file(self.working(name, upload), size)
                return made + 1
        raise TryLater("the folder of the bucket is changing")

    def make_folders(self, name: str) -> int:
        """Make the folders of a name; tells how many that are. Raises Refused, OSError."""
        folder = self._path(name).parent
        above = itertools.takewhile(lambda each: each != self._root, (folder, *folder.parents))
        missing = sum(not each.exists() for each in above)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return missing

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        ends = self._ends.get(upload, [])
        if not 1 <= number <= len(ends):
            raise Gone(f"the upload of {name} is not there")
        try:
            handle = os.open(self.working(name, upload), os.O_WRONLY)
            try:
                start = ends[number - 1]
                os.ftruncate(handle, start)
                write(handle, data, start)
            finally:
                os.close(handle)
        except FileNotFoundError:
            raise Gone(f"the upload of {name} is not there") from None
        except OSError as error:
            raise translated(error) from error
        ends[number:] = [start + len(data)]
        return str(ends[number])

    def complete(self, name: str, upload: str, tags: Sequence[str]) -> None:
        self.publish(name, self.working(name, upload))
        self._ends.pop(upload, None)

    def publish(self, name: str, working: Path, condition: Condition = ANYTHING) -> None:
        """Make the object of its file, durable; what it replaces is counted no more.

        Raises Gone, ConditionFailed, NoObject, Refused, TryLater.
        """
        path = self._path(name)

        def rename() -> tuple[int, int]:
            # Here, as nobody else changes a bucket that is bounded meanwhile.
            self.check_condition(name, condition)
            made = 0
            before = self._size(path)
            if before is None and working.exists():
                # Whoever empties a folder takes it away.
                made = self.make_folders(name)
            working.rename(path)
            return (0, -made) if before is None else (before, 1)

        try:
            sync(working)
            self.usage.lessen(rename)
            self._sync_folders(path.parent)
        except FileNotFoundError:
            raise Gone(f"the upload of {name} is not there") from None
        except OSError as error:
            raise translated(error) from error

    def check_condition(self, name: str, condition: Condition) -> None:
        """Raises ConditionFailed, and NoObject where a certain one was wanted."""
        if condition == ANYTHING:
            return
        try:
            entry = self.look(name)
        except NoObject:
            if condition.match:
                raise
            return
        if condition.absent or condition.match not in {entry.tag, "*"}:
            raise ConditionFailed(f"the object {name} is there, or is another one")

    def _size(self, path: Path) -> int | None:
        try:
            return path.lstat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def abort(self, name: str, upload: str) -> None:
        self._remove(self.working(name, upload))
        self._ends.pop(upload, None)

    def _remove(self, path: Path) -> None:
        """Remove a file, and the folders that are empty without it. Raises Refused, TryLater."""

        def unlink() -> tuple[int, int]:
            size = self._size(path)
            if size is None:
                return 0, 0
            path.unlink()
            return size, 1 + self._prune(path)

        try:
            if self._size(path) is not None:
                self.usage.lessen(unlink)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            if path.is_dir():
                return
            raise translated(error) from error

    def _prune(self, path: Path) -> int:
        """Remove the folders of a name that are empty; tells how many those were."""
        count = 0
        with contextlib.suppress(OSError):
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()
                count += 1
        return count

    def drop_folders(self, name: str) -> int:
        """Remove the folders of an object that is not there, where they are empty."""
        return self._prune(self._path(name))

    def unfinished(self, name: str) -> list[str]:
        path = self._path(name)
        start = path.name + UPLOADING
        try:
            names = [entry.name for entry in path.parent.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise translated(error) from error
        return [each.removeprefix(start) for each in names if each.startswith(start)]

    def put(self, name: str, data: bytes) -> str:
        writing = self.write(name, len(data))
        try:
            writing.write(data)
            return writing.finish()
        finally:
            writing.abort()

    def write(self, name: str, size: int, condition: Condition = ANYTHING) -> Writing:
        upload = secrets.token_hex(16)
        working = self.working(name, upload)

        def publish(handle: int, tag: str, sum: Sum | None) -> str:
            keep_tag(handle, tag, sum)
            told = entry_of(name, os.fstat(handle), handle).tag
            self.publish(name, working, condition)
            return told

        def discard() -> None:
            # Unfinished files are in no list: whoever may put objects could fill the disk unseen.
            with contextlib.suppress(Refused, TryLater):
                self._remove(working)

        self.check_condition(name, condition)
        try:
            self.usage.charge(size, lambda: self._make(name, upload, size))
            return FileWriting(os.open(working, os.O_WRONLY), size, publish, discard)
        except OSError as error:
            discard()
            raise translated(error) from error

    def fetch(self, name: str, version: str, limit: int) -> bytes:
        handle = self._open(name) if version in NO_VERSION else None
        if handle is None:
            raise _no_object(name)
        with os.fdopen(handle, "rb") as file:
            try:
                data = file.read(limit + 1)
            except OSError as error:
                raise translated(error, "read") from error
        if len(data) > limit:
            raise TooLarge(f"the object has more than {limit} bytes")
        return data

    def open(self, entry: Entry, start: int, end: int) -> Reading:
        handle = self._open(entry.name)
        if handle is None:
            raise _no_object(entry.name)
        facts = os.fstat(handle)
        if entry_of(entry.name, facts, handle).tag != entry.tag:
            os.close(handle)
            raise TryLater("the object has changed meanwhile")
        return FileReading(handle, start, end)

    def look(self, name: str, version: str = "") -> Entry:
        handle = self._open(name) if version in NO_VERSION else None
        if handle is None:
            raise _no_object(name)
        try:
            facts = os.fstat(handle)
            entry = entry_of(name, facts, handle)
            return msgspec.structs.replace(entry, sum=sum_kept(facts, handle))
        finally:
            os.close(handle)

    def entries(self, prefix: str, after: str, limit: int) -> Sequence[Entry]:
        above, slash, _ = prefix.rpartition("/")
        try:
            # A prefix that is a slash leads to no root but finds nothing, as others do.
            top = self._path(above) if slash else self._root
        except NoPlace:
            return []
        if not top.resolve().is_relative_to(self._root.resolve()):
            return []
        names = self._listing.names(top, above + slash, prefix, after)
        return list(itertools.islice(self._told(names), limit))

    def _told(self, names: Iterable[str]) -> Iterable[Entry]:
        for name in names:
            path = self._root.joinpath(name)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                facts = path.lstat()
                if is_file(facts):
                    yield entry_of(name, facts, path)

    def delete(self, name: str) -> None:
        with contextlib.suppress(NoPlace):
            self._remove(self._path(name))

    def _open(self, name: str) -> int | None:
        """The file of an object; None when there is none. Neither links nor pipes are objects."""
        try:
            path = self._path(name)
        except NoPlace:
            return None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if path.is_symlink():
                return None
            raise translated(error, "read") from error
        if not is_file(os.fstat(handle)):
            os.close(handle)
            return None
        return handle

    def working(self, name: str, upload: str) -> Path:
        """The file of an upload that is being written. Raises Refused."""
        path = self._path(name)
        return path.with_name(f"{path.name}{UPLOADING}{upload}")

    def assembled(self, upload: str) -> Path:
        """The file that the parts of an upload are put together in: where it can be renamed."""
        return self._root / f"{UPLOADING}{upload}"

    def place(self, name: str) -> Path:
        """Where an object lies. Raises Refused."""
        return self._path(name)

    def _path(self, name: str) -> Path:
        """Where an object lies. Raises NoPlace, Refused for a name that leads out of the folder."""
        parts = name.split("/")
        for part in parts:
            if part in {"", ".", ".."} or "\0" in part or "\\" in part:
                raise NoPlace(f"{name!r} is no name for an object in a folder")
            if UNFINISHED.fullmatch(part):
                # It would be in no list, and thrown away as one that was never completed.
                raise NoPlace(f"{name!r} is a name of what is being written")
            if len(part.encode()) > MAX_NAME:
                raise NoPlace(f"{name!r} has more than {MAX_NAME} bytes between two slashes")
        path = self._root.joinpath(*parts)
        # A link that somebody put into the folder does not lead out of it either.
        if not path.parent.resolve().is_relative_to(self._root.resolve()):
            raise Refused(f"{name!r} leads out of the folder")
        return path

    def _sync_folders(self, folder: Path) -> None:
        """Make a new name durable, and those of the folders above it."""
        while True:
            sync(folder)
            if folder == self._root:
                return
            folder = folder.parent


def _no_object(name: str) -> NoObject:
    return NoObject(f"the folder of the bucket has no object {name!r}")

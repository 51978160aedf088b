"""Uploads in parts to a folder that stands for a bucket.

An upload is a folder beside the bucket's: a file with the object's name, and a file for each part,
named by its number and ETag. They outlive the process, and every process can add to them; who
changes an upload holds the lock of the first file. Completing copies the parts into the object:
until it has its name nothing is lost, and completing can be tried again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from workpost.integrations.s3.depot import Begun, Entry, Gone, NoObject, Part, PartsRefused, Refused
from workpost.integrations.s3.folder_files import keep_tag, translated, write
from workpost.integrations.s3.folder_usage import Usage
from workpost.kernel.errors import TryLater

MIN_PART = 5 << 20
"""Bytes of each part but the last."""
_ID = re.compile(r"[0-9a-f]{32}")
_TAG = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"(\d{5})-([0-9a-f]{32})")
_NAME = "name"


class Objects(Protocol):
    """What the folder does for uploads; see `FolderDepot`."""

    def begin(self, name: str) -> str: ...
    def working(self, name: str, upload: str) -> Path: ...
    def complete(self, name: str, upload: str, tags: Sequence[str]) -> None: ...
    def abort(self, name: str, upload: str) -> None: ...
    def look(self, name: str) -> Entry: ...


class _File(NamedTuple):
    part: Part
    path: Path


class FolderUploads:
    """Uploads of one folder; implements `Uploads`."""

    def __init__(self, place: Path, objects: Objects, usage: Usage) -> None:
        self._place = place
        self._objects = objects
        self._usage = usage

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(16)
        # Refuses a name that no object can have.
        self._objects.working(name, upload)

        def make() -> int:
            folder = self._place / upload
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Under another name until it says whose it is.
            fresh = self._place / f"new-{upload}"
            fresh.mkdir(mode=0o700)
            (fresh / _NAME).write_bytes(name.encode())
            fresh.rename(folder)
            return 2

        with _translating():
            self._usage.charge(len(name.encode()), make)
        return upload

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        tag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        with self._locked(name, upload):
            pass
        fresh = self._place / upload / f"new-{secrets.token_hex(16)}"

        def make() -> int:
            handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.ftruncate(handle, len(data))
            finally:
                os.close(handle)
            return 1

        try:
            self._usage.charge(len(data), make)
            handle = os.open(fresh, os.O_WRONLY)
            try:
                write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
            with self._locked(name, upload) as folder:
                earlier = [each for each in _files(folder) if each.part.number == number]

                def replace() -> tuple[int, int]:
                    fresh.rename(folder / f"{number:05}-{tag}")
                    for each in earlier:
                        if each.part.tag != tag:
                            each.path.unlink()
                    return sum(each.part.size for each in earlier), len(earlier)

                self._usage.lessen(replace)
        except FileNotFoundError:
            # Aborted meanwhile: whoever did that gave back what he found.
            raise _gone(name) from None
        except BaseException as error:

            def unlink() -> tuple[int, int]:
                fresh.unlink()
                return len(data), 1

            with contextlib.suppress(OSError):
                self._usage.lessen(unlink)
            if isinstance(error, OSError):
                raise translated(error) from error
            raise
        return tag

    def parts(self, name: str, upload: str, after: int, limit: int) -> Sequence[Part]:
        with self._locked(name, upload) as folder:
            found = [each.part for each in _files(folder)]
        return [each for each in found if each.number > after][:limit]

    def complete(self, name: str, upload: str, chosen: Sequence[tuple[int, str]]) -> str:
        try:
            return self._complete(name, upload, chosen)
        except Gone:
            # Who did not wait for the answer asks again: the object may be there already.
            tags = [tag for _, tag in chosen]
            if _ID.fullmatch(upload) and all(map(_TAG.fullmatch, tags)):
                with contextlib.suppress(NoObject):
                    tag = _tag_of(tags)
                    if self._objects.look(name).tag == tag:
                        return tag
            raise

    def _complete(self, name: str, upload: str, chosen: Sequence[tuple[int, str]]) -> str:
        with self._locked(name, upload) as folder:
            files = _files(folder)
            parts = _chosen(files, chosen)
            tag = _tag_of([each.part.tag for each in parts])
            working = self._objects.begin(name)
            try:
                handle = os.open(self._objects.working(name, working), os.O_WRONLY)
                try:
                    for each in parts:
                        _append(handle, each.path)
                    keep_tag(handle, tag)
                finally:
                    os.close(handle)
                self._objects.complete(name, working, [])
            except BaseException:
                with contextlib.suppress(Refused, TryLater, OSError):
                    # What it holds so far was never counted.
                    os.truncate(self._objects.working(name, working), 0)
                    self._objects.abort(name, working)
                raise
            # The parts' bytes are the object's by now.
            left = sum(each.part.size for each in files) - sum(each.part.size for each in parts)

            def remove() -> tuple[int, int]:
                shutil.rmtree(folder, ignore_errors=True)
                return left + len(name.encode()), len(files) + 2

            with contextlib.suppress(OSError):
                self._usage.lessen(remove)
        return tag

    def abort(self, name: str, upload: str) -> None:
        with self._locked(name, upload) as folder:

            def remove() -> tuple[int, int]:
                octets, objects = 0, 1
                for each in folder.iterdir():
                    octets += each.lstat().st_size
                    objects += 1
                shutil.rmtree(folder)
                return octets, objects

            self._usage.lessen(remove)

    def begun(self, prefix: str, after: tuple[str, str], limit: int) -> Sequence[Begun]:
        found = []
        with _translating(), contextlib.suppress(FileNotFoundError):
            for each in os.scandir(self._place):
                with contextlib.suppress(FileNotFoundError):
                    if _ID.fullmatch(each.name):
                        at = Path(each.path, _NAME)
                        began = at.stat().st_mtime_ns // 1_000_000
                        found.append(Begun(at.read_bytes().decode(), each.name, began))
        # Without an id, all uploads of the marker's name are behind us.
        wanted = [
            each
            for each in sorted(found)
            if each.name.startswith(prefix)
            and (each[:2] > after if after[1] else each.name > after[0])
        ]
        return wanted[:limit]

    @contextlib.contextmanager
    def _locked(self, name: str, upload: str) -> Iterator[Path]:
        """The folder of an upload that nobody else changes. Raises Gone, Refused, TryLater."""
        if not _ID.fullmatch(upload):
            raise _gone(name)
        folder = self._place / upload
        try:
            # Opened to write: file systems of the network lock nothing else, folders least of all.
            handle = os.open(folder / _NAME, os.O_RDWR)
        except FileNotFoundError:
            raise _gone(name) from None
        try:
            with _translating():
                fcntl.flock(handle, fcntl.LOCK_EX)
                if not folder.exists() or os.pread(handle, 4096, 0) != name.encode():
                    raise _gone(name)
                yield folder
        finally:
            os.close(handle)


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise translated(error) from error


def _gone(name: str) -> Gone:
    return Gone(f"the upload of {name} is not there")


def _files(folder: Path) -> list[_File]:
    """The parts of an upload by their numbers."""
    found = []
    for path in folder.iterdir():
        match = _PART.fullmatch(path.name)
        if match:
            facts = path.stat()
            modified = facts.st_mtime_ns // 1_000_000
            found.append(_File(Part(int(match[1]), facts.st_size, modified, match[2]), path))
    return sorted(found)


def _chosen(files: list[_File], chosen: Sequence[tuple[int, str]]) -> list[_File]:
    """The files of the parts that are to make the object. Raises PartsRefused."""
    numbers = [number for number, _ in chosen]
    if any(one >= other for one, other in itertools.pairwise(numbers)):
        raise PartsRefused("The list of parts was not in ascending order.", "InvalidPartOrder")
    known = {(each.part.number, each.part.tag): each for each in files}
    found = [known.get(each) for each in chosen]
    parts = [each for each in found if each is not None]
    if len(parts) != len(found):
        raise PartsRefused("One or more of the specified parts could not be found.", "InvalidPart")
    if any(each.part.size < MIN_PART for each in parts[:-1]):
        raise PartsRefused(
            "Your proposed upload is smaller than the minimum allowed size.", "EntityTooSmall"
        )
    return parts


def _tag_of(tags: list[str]) -> str:
    """The ETag of an object of parts, as S3 makes it."""
    whole = hashlib.md5(b"".join(map(bytes.fromhex, tags)), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(tags)}"


def _append(handle: int, path: Path) -> None:
    source = os.open(path, os.O_RDONLY)
    try:
        while os.sendfile(handle, source, None, 1 << 30):
            continue
    finally:
        os.close(source)

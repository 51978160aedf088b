"""Uploads in parts to a folder that stands for a bucket.

An upload is a folder beside the bucket's: a file with the object's name and what checksums it is to
have, and a file for each part, named by its number, ETag and checksum. They outlive the process,
and every process can add to them; who changes an upload holds the lock of the first file.
Completing gives the parts up one by one (`folder_assembly`), and can be tried again until the
object has its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from workpost.formats.checksums import Sum
from workpost.integrations.s3.chosen import choose, sum_of_parts, tag_of
from workpost.integrations.s3.depot import (
    ANYTHING,
    Begun,
    Chosen,
    Condition,
    Done,
    Entry,
    Gone,
    NoObject,
    Part,
    PartsRefused,
    Writing,
)
from workpost.integrations.s3.folder_assembly import (
    Piece,
    Plan,
    assemble,
    file_of,
    is_part,
    make_whole,
    part_of,
    read_plan,
    write_plan,
)
from workpost.integrations.s3.folder_files import make_file, translated
from workpost.integrations.s3.folder_pieces import FileWriting
from workpost.integrations.s3.folder_usage import Usage

_ID = re.compile(r"[0-9a-f]{32}")
_NAME = "name"
_MAX_NAME = 4096


class Objects(Protocol):
    """What the folder does for uploads; see `FolderDepot`."""

    def working(self, name: str, upload: str) -> Path: ...
    def assembled(self, upload: str) -> Path: ...
    def place(self, name: str) -> Path: ...
    def make_folders(self, name: str) -> int: ...
    def drop_folders(self, name: str) -> int: ...
    def check_condition(self, name: str, condition: Condition) -> None: ...
    def publish(self, name: str, working: Path, condition: Condition) -> None: ...
    def look(self, name: str) -> Entry: ...


class FolderUploads:
    """Uploads of one folder; implements `Uploads`."""

    def __init__(self, place: Path, objects: Objects, usage: Usage) -> None:
        self._place = place
        self._objects = objects
        self._usage = usage

    def begin(self, name: str, algorithm: str = "", kind: str = "") -> str:
        upload = secrets.token_hex(16)
        # Refuses a name that no object can have.
        self._objects.working(name, upload)
        # No name has the character between.
        known = f"{name}\0{algorithm} {kind}" if algorithm else name

        def make() -> int:
            folder = self._place / upload
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Under another name until it says whose it is.
            fresh = self._place / f"new-{upload}"
            fresh.mkdir(mode=0o700)
            (fresh / _NAME).write_bytes(known.encode())
            fresh.rename(folder)
            return 2

        with _translating():
            self._usage.charge(len(known.encode()), make)
        return upload

    def algorithm(self, name: str, upload: str) -> str:
        with self._locked(name, upload) as folder:
            return _sums(folder)[0]

    def write_part(self, name: str, upload: str, number: int, size: int) -> Writing:
        with self._locked(name, upload) as folder:
            _refuse_planned(folder, name)
        fresh = self._place / upload / f"new-{secrets.token_hex(16)}"

        def make() -> int:
            make_file(fresh, size)
            return 1

        def publish(handle: int, tag: str, sum: Sum | None) -> str:
            os.fsync(handle)
            try:
                with self._locked(name, upload) as folder:
                    self._replace(folder, fresh, (name, number, tag), sum)
            except FileNotFoundError:
                # Aborted meanwhile: whoever did that gave back what he found.
                raise _gone(name) from None
            return tag

        def discard() -> None:
            def unlink() -> tuple[int, int]:
                fresh.unlink()
                return size, 1

            with contextlib.suppress(OSError):
                self._usage.lessen(unlink)

        try:
            self._usage.charge(size, make)
            return FileWriting(os.open(fresh, os.O_WRONLY), size, publish, discard)
        except FileNotFoundError:
            raise _gone(name) from None
        except OSError as error:
            discard()
            raise translated(error) from error

    def _replace(
        self, folder: Path, fresh: Path, part: tuple[str, int, str], sum: Sum | None
    ) -> None:
        name, number, tag = part
        _refuse_planned(folder, name)
        algorithm, _ = _sums(folder)
        given = sum.algorithm if sum is not None else ""
        if algorithm and given != algorithm:
            raise PartsRefused(
                f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()}, "
                f"actual checksum Type: {given.lower() or 'null'}",
                "InvalidRequest",
            )
        earlier = [each for each in _files(folder) if each.number == number]
        file = file_of(number, tag, sum)

        def replace() -> tuple[int, int]:
            fresh.rename(folder / file)
            for each in earlier:
                if (other := _file(each)) != file:
                    (folder / other).unlink()
            return _octets(earlier), len(earlier)

        self._usage.lessen(replace)

    def parts(self, name: str, upload: str, after: int, limit: int) -> Sequence[Part]:
        with self._locked(name, upload) as folder:
            plan = read_plan(folder)
            found = {each.number: each for each in _files(folder)}
            found |= {each.number: each for each in (plan.parts() if plan else ())}
        return [found[number] for number in sorted(found) if number > after][:limit]

    def complete(
        self,
        name: str,
        upload: str,
        chosen: Sequence[Chosen],
        wanted: Sum | None = None,
        condition: Condition = ANYTHING,
    ) -> Done:
        try:
            with self._locked(name, upload) as folder:
                return self._complete(folder, name, chosen, wanted, condition)
        except Gone:
            # Who did not wait for the answer asks again: the object may be there already.
            tag = tag_of([each.tag for each in chosen])
            if _ID.fullmatch(upload) and tag:
                with contextlib.suppress(NoObject):
                    entry = self._objects.look(name)
                    if entry.tag == tag:
                        return Done(tag, entry.sum)
            raise

    def _complete(
        self,
        folder: Path,
        name: str,
        chosen: Sequence[Chosen],
        wanted: Sum | None,
        condition: Condition,
    ) -> Done:
        whole = self._objects.assembled(folder.name)
        plan = read_plan(folder)
        if plan is not None and not plan.fits(chosen):
            raise PartsRefused("The upload is being completed with other parts.")
        if plan is not None and wanted not in {None, plan.sum}:
            raise PartsRefused("The checksum is not that of the parts.", "BadDigest")
        if plan is not None and plan.is_done(self._objects.place(name)):
            self._remove(folder, whole)
            return Done(plan.tag, plan.sum)
        if plan is not None and not whole.exists():
            if not all((folder / each.file).exists() for each in plan.pieces):
                raise _gone(name)
            plan = None
        self._objects.check_condition(name, condition)
        if plan is None:
            plan = self._begin_completing(folder, name, chosen, wanted)
        assemble(folder, whole, plan, self._usage)
        self._objects.publish(name, whole, condition)
        with contextlib.suppress(OSError):
            self._remove(folder, whole)
        return Done(plan.tag, plan.sum)

    def _begin_completing(
        self, folder: Path, name: str, chosen: Sequence[Chosen], wanted: Sum | None
    ) -> Plan:
        parts = choose(_files(folder), chosen)
        whole_sum = sum_of_parts(*_sums(folder), parts, chosen, wanted)
        tag = tag_of([each.tag for each in parts])
        pieces = [Piece(_file(each), each.size, each.modified) for each in parts]
        whole = self._objects.assembled(folder.name)
        # The inode is known under the lock; a number has as many digits in no plan.
        most = len(msgspec.json.encode(Plan(pieces, tag, (1 << 64) - 1, whole_sum)))
        made: list[Plan] = []

        def make() -> int:
            folders = self._objects.make_folders(name)
            made.append(Plan(pieces, tag, make_whole(whole), whole_sum))
            write_plan(folder, msgspec.json.encode(made[0]).ljust(most))
            return folders + 2

        self._usage.charge(most, make)
        return made[0]

    def abort(self, name: str, upload: str) -> None:
        with self._locked(name, upload) as folder:
            self._remove(folder, self._objects.assembled(upload), name)

    def _remove(self, folder: Path, whole: Path, name: str = "") -> None:
        """Remove an upload and what it was made into, and folders that a name has in vain."""

        def remove() -> tuple[int, int]:
            octets, objects = 0, 1
            for each in [*folder.iterdir(), whole]:
                with contextlib.suppress(FileNotFoundError):
                    octets += each.lstat().st_size
                    objects += 1
            # Without its name it is gone, whatever else of it a crash leaves.
            (folder / _NAME).unlink(missing_ok=True)
            whole.unlink(missing_ok=True)
            shutil.rmtree(folder)
            return octets, objects + (self._objects.drop_folders(name) if name else 0)

        self._usage.lessen(remove)

    def begun(self, prefix: str, after: tuple[str, str], limit: int) -> Sequence[Begun]:
        found = []
        with _translating(), contextlib.suppress(FileNotFoundError):
            for each in os.scandir(self._place):
                with contextlib.suppress(FileNotFoundError):
                    if _ID.fullmatch(each.name):
                        at = Path(each.path, _NAME)
                        began = at.stat().st_mtime_ns // 1_000_000
                        name = at.read_bytes().decode().partition("\0")[0]
                        found.append(Begun(name, each.name, began))
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
                known = os.pread(handle, _MAX_NAME, 0).partition(b"\0")[0]
                if not folder.exists() or known != name.encode():
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


def _refuse_planned(folder: Path, name: str) -> None:
    """An upload that is being completed takes no parts any more. Raises Gone."""
    if read_plan(folder) is not None:
        raise _gone(name)


def _sums(folder: Path) -> tuple[str, str]:
    """Algorithm and type of an upload's checksums, "" for none."""
    _, _, told = (folder / _NAME).read_bytes().decode().partition("\0")
    algorithm, _, kind = told.partition(" ")
    return algorithm, kind


def _files(folder: Path) -> list[Part]:
    """The parts of an upload by their numbers."""
    found = []
    for path in folder.iterdir():
        if is_part(path.name):
            facts = path.stat()
            found.append(part_of(path.name, facts.st_size, facts.st_mtime_ns // 1_000_000))
    return sorted(found, key=lambda each: each.number)


def _file(part: Part) -> str:
    return file_of(part.number, part.tag, part.sum)


def _octets(parts: Sequence[Part]) -> int:
    """Bytes of some parts."""
    return sum(each.size for each in parts)

"""An object that is put together of the parts of its upload, each given up as soon as it is copied.

So the disk holds one part more than the object, not two objects. What a crash leaves can be gone on
with: a plan says what the object is made of, and lies there, durable, before the first part goes. A
part goes when its copy is durable; one that is not there any more is in the file, at its place. The
file takes the object's name last, and then the upload goes with its plan.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from workpost.formats.checksums import Sum, sum_of
from workpost.integrations.s3.depot import Chosen, Part
from workpost.integrations.s3.folder_files import keep_tag, sync, write
from workpost.integrations.s3.folder_usage import Usage

PLAN = "plan"
_NEW_PLAN = "new-plan"
_FILE = re.compile(r"(\d{5})-([0-9a-f]{32})(?:-([A-Z0-9]{4,9})-([0-9a-f]{8,64}))?")
_AT_ONCE = 1 << 30


class Piece(msgspec.Struct, array_like=True, frozen=True):
    """A part that the object is made of: its file, bytes, time in ms."""

    file: str
    size: int
    modified: int


class Plan(msgspec.Struct, frozen=True):
    """What an object is made of, and how it will be known; `inode` is that of its file."""

    pieces: list[Piece]
    tag: str
    inode: int
    sum: Sum | None = None

    def parts(self) -> list[Part]:
        """Its parts."""
        return [part_of(each.file, each.size, each.modified) for each in self.pieces]

    def fits(self, chosen: Sequence[Chosen]) -> bool:
        """Whether it is of the parts that were chosen."""
        mine = self.parts()
        return len(mine) == len(chosen) and all(
            each[:2] == (part.number, part.tag) and each.sum in {None, part.sum}
            for each, part in zip(chosen, mine, strict=True)
        )

    def is_done(self, path: Path) -> bool:
        """Whether an object's file is the one that it was for."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return path.lstat().st_ino == self.inode
        return False


def file_of(number: int, tag: str, sum: Sum | None) -> str:
    """The name of a part's file."""
    kept = f"-{sum.algorithm}-{sum.digest().hex()}" if sum is not None else ""
    return f"{number:05}-{tag}{kept}"


def is_part(file: str) -> bool:
    """Whether a file is a part's."""
    return _FILE.fullmatch(file) is not None


def part_of(file: str, size: int, modified: int) -> Part:
    """The part whose file has this name."""
    match = _FILE.fullmatch(file)
    assert match is not None
    number, tag, algorithm, digest = match.groups()
    kept = sum_of(algorithm, bytes.fromhex(digest)) if algorithm else None
    return Part(int(number), size, modified, tag, kept)


def read_plan(folder: Path) -> Plan | None:
    """The plan of an upload that is being completed, None for any other. Raises OSError."""
    try:
        return msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
    except FileNotFoundError:
        return None


def write_plan(folder: Path, raw: bytes) -> None:
    """Lay a plan down, durable. Raises OSError."""
    fresh = folder / _NEW_PLAN
    handle = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        write(handle, raw)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.rename(folder / PLAN)
    sync(folder)


def make_whole(whole: Path) -> int:
    """Make the empty file of an object, durable; returns its inode. Raises OSError."""
    handle = os.open(whole, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        inode = os.fstat(handle).st_ino
    finally:
        os.close(handle)
    sync(whole.parent)
    return inode


def assemble(folder: Path, whole: Path, plan: Plan, usage: Usage) -> None:
    """Put into the file what is not in it yet, and give up each part behind it. Raises OSError."""
    handle = os.open(whole, os.O_RDWR)
    try:
        at = 0
        for each in plan.pieces:
            part, end = folder / each.file, at + each.size
            if part.exists():
                _take(handle, part, (at, end), usage)
            at = end
        keep_tag(handle, plan.tag, plan.sum)
    finally:
        os.close(handle)


def _take(handle: int, part: Path, place: tuple[int, int], usage: Usage) -> None:
    start, end = place

    def lengthen() -> int:
        os.ftruncate(handle, end)
        return 0

    def give_up() -> tuple[int, int]:
        part.unlink()
        return end - start, 1

    # What lies behind the place is there already where a crash made a removed part come back.
    missing = end - os.fstat(handle).st_size
    if missing > 0:
        # Forced: the part that it is for is counted until it is copied.
        usage.charge(missing, lengthen, forced=True)
    copy_into(handle, part, start)
    os.fsync(handle)
    usage.lessen(give_up)


def copy_into(handle: int, path: Path, start: int) -> None:
    """Copy a file to a place of another one, in the kernel. Raises OSError."""
    source = os.open(path, os.O_RDONLY)
    try:
        os.lseek(handle, start, os.SEEK_SET)
        while os.sendfile(handle, source, None, _AT_ONCE):
            continue
    finally:
        os.close(source)

"""Files of a folder that stands for a bucket: written whole, their ETags kept beside them."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

from workpost.formats.checksums import Sum
from workpost.integrations.s3.depot import Entry, Refused
from workpost.kernel.errors import TryLater

UPLOADING = ".uploading-"
UNFINISHED = re.compile(r".*\.uploading-[0-9a-f]{32}", re.DOTALL)
_TAG = "user.workpost.etag"
_KEPT = re.compile(rb"([0-9a-f]{32}(?:-\d{1,5})?) (\d+) (\d+)")
"""ETag, and the time and size of the file that it was made for."""
_SUM = "user.workpost.checksum"
_KEPT_SUM = re.compile(rb"([A-Z0-9]{4,9}) ([A-Za-z0-9+/=]{8,44}(?:-\d{1,5})?) (\d+) (\d+)")
"""Algorithm and checksum, and the same."""
FOR_GOOD = (IsADirectoryError, NotADirectoryError, FileExistsError, PermissionError)


def translated(error: OSError, done: str = "written") -> Exception:
    """What an error of the file system means to who uses the bucket."""
    reason = error.strerror or type(error).__name__
    if isinstance(error, FOR_GOOD):
        return Refused(f"the folder of the bucket cannot be {done}: {reason}")
    return TryLater(f"the folder of the bucket cannot be {done}: {reason}")


def write(handle: int, data: bytes, start: int = 0) -> None:
    """Write all of it at a place. Raises OSError."""
    rest = memoryview(data)
    while rest:
        done = os.pwrite(handle, rest, start + len(data) - len(rest))
        rest = rest[done:]


def make_file(path: Path, size: int) -> None:
    """Make a file that has its size from the beginning. Raises OSError."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.ftruncate(handle, size)
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """Make a file or a folder durable. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_tag(handle: int, tag: str, sum: Sum | None = None) -> None:
    """Keep an object's ETag and checksum with its file, where the file system can.

    To be called after the last write.
    """
    facts = os.fstat(handle)
    state = f"{facts.st_mtime_ns} {facts.st_size}"
    with contextlib.suppress(OSError):
        os.setxattr(handle, _TAG, f"{tag} {state}".encode())
        if sum is not None:
            os.setxattr(handle, _SUM, f"{sum.algorithm} {sum.value} {state}".encode())


def sum_kept(facts: os.stat_result, file: int) -> Sum | None:
    """The checksum that was kept with an object, None once somebody has written to the file."""
    with contextlib.suppress(OSError):
        match = _KEPT_SUM.fullmatch(os.getxattr(file, _SUM))
        if match and (int(match[3]), int(match[4])) == (facts.st_mtime_ns, facts.st_size):
            return Sum(match[1].decode(), match[2].decode())
    return None


def entry_of(name: str, facts: os.stat_result, file: int | Path) -> Entry:
    """What is told of an object.

    Where no ETag was kept, or somebody has written to the file since, one is made of what tells a
    file from the one before.
    """
    tag = f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"
    with contextlib.suppress(OSError):
        match = _KEPT.fullmatch(os.getxattr(file, _TAG))
        if match and (int(match[2]), int(match[3])) == (facts.st_mtime_ns, facts.st_size):
            tag = match[1].decode()
    return Entry(name, facts.st_size, facts.st_mtime_ns // 1_000_000, tag)


def is_file(facts: os.stat_result) -> bool:
    """Whether it can be an object: neither links nor pipes are."""
    return stat.S_ISREG(facts.st_mode)

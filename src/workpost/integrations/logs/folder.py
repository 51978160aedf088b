"""A folder that stands for a log group: the embedded `LogGroup`.

A stream is a folder in it with a file for each day (UTC) on which something was written, a line of
JSON for each event. Files that are older than the retention go. What lies here is the tenant's own
copy: nothing is sealed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

import orjson

from workpost.integrations.logs.base import GroupMissing, Line
from workpost.kernel.errors import TryLater

SUFFIX = ".jsonl"
RETENTION = ".retention"
SKEW_MS = 60_000
"""How far the clock of the file system may be behind ours."""
FOR_GOOD = (IsADirectoryError, NotADirectoryError, FileExistsError, PermissionError)


class FolderGroup:
    """The folder; implements `LogGroup`. `now` tells milliseconds since the epoch."""

    def __init__(self, root: Path, now: Callable[[], int]) -> None:
        self._root = root
        self._now = now

    def check(self) -> None:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _translated(error) from error

    def create(self, retention_days: int) -> None:
        self.check()
        try:
            path = self._root / RETENTION
            if not path.exists() or path.read_text() != str(retention_days):
                path.write_text(str(retention_days))
        except OSError as error:
            raise _translated(error) from error

    def put(self, stream: str, lines: Sequence[Line]) -> int:
        today = datetime.fromtimestamp(self._now() // 1000, UTC).date()
        path = self._root.joinpath(*stream.split("/")) / f"{today.isoformat()}{SUFFIX}"
        try:
            fresh = not path.exists()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _append(path, b"".join(line + b"\n" for _, line in lines))
            if fresh:
                _sync(path.parent)
                self._forget(today.isoformat())
        except OSError as error:
            raise _translated(error) from error
        return 0

    def read(self, since: int, limit: int) -> list[tuple[str, bytes]]:
        """The last `limit` lines since then, each with its stream, in the order of their times.

        A line that tells no time has that of its file's last change.
        """
        try:
            files = [
                (path.stat().st_mtime, path)
                for path in self._root.rglob(f"*{SUFFIX}")
                if path.is_file() and path.stat().st_mtime * 1000 >= since
            ]
            found: list[tuple[int, str, bytes]] = []
            for changed, path in sorted(files, reverse=True):
                latest = int(changed * 1000)
                if len(found) >= limit and latest + SKEW_MS < found[0][0]:
                    break  # all of its lines are older than those that are there
                stream = path.parent.relative_to(self._root).as_posix()
                timed = (
                    (_time_of(line, latest), stream, line)
                    for line in path.read_bytes().splitlines()[-limit:]
                )
                found += [one for one in timed if one[0] >= since]
                found = sorted(found, key=itemgetter(0))[-limit:]
        except OSError as error:
            raise _translated(error) from error
        return [(stream, line) for _, stream, line in found]

    def _forget(self, today: str) -> None:
        """Remove the files of all streams that are older than the retention, and empty streams."""
        try:
            days = int((self._root / RETENTION).read_text())
        except (FileNotFoundError, ValueError):
            return
        oldest = (datetime.fromisoformat(today) - timedelta(days=days)).date().isoformat()
        for path in list(self._root.rglob(f"*{SUFFIX}")):
            if path.name < oldest:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()


def _time_of(line: bytes, unknown: int) -> int:
    """The time that a line tells, in ms."""
    with contextlib.suppress(orjson.JSONDecodeError):
        document = orjson.loads(line)
        if isinstance(document, dict):
            at = document.get("timestamp", document.get("event_timestamp"))
            if isinstance(at, int):
                return at
    return unknown


def _append(path: Path, data: bytes) -> None:
    """Append whole lines; the rest of one that a crash cut short is ended first."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _translated(error: OSError) -> Exception:
    text = f"the folder of the log group cannot be written: {error.strerror}"
    return GroupMissing(text) if isinstance(error, FOR_GOOD) else TryLater(text)

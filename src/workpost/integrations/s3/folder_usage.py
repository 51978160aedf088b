"""How much a bucket in a folder holds, and how much it may.

The count lies in a file beside the folder, locked while it changes, so that all processes share it.
It is made anew by walking the folder where it is old, and before anything is refused: what others
than functions do to the folder shows then. Files that are being written count with the size that
they will have. Walking throws away what was left unfinished.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from workpost.integrations.s3.depot import BucketFull
from workpost.integrations.s3.folder_files import UNFINISHED, UPLOADING

RECOUNT_SECONDS = 3600
RECHECK_SECONDS = 60
"""Age of a count that is believed when it refuses."""
_ID = re.compile(r"[0-9a-f]{32}")


class Bounds(NamedTuple):
    """What a bucket may hold."""

    octets: int
    objects: int
    """Objects, parts, and the folders that their names need."""
    seconds: int
    """Age at which what is unfinished is thrown away."""


class Count(NamedTuple):
    """What it holds, and when that was counted."""

    octets: int = 0
    objects: int = 0
    counted: int = 0


class Usage:
    """The count of one bucket; without bounds it does nothing."""

    def __init__(self, root: Path, uploads: Path, bounds: Bounds | None) -> None:
        self._root = root
        self._uploads = uploads
        self._bounds = bounds
        self._file = root.with_name(f".{root.name}.usage")

    def charge(self, octets: int, objects: Callable[[], int], *, forced: bool = False) -> None:
        """Count something more; `objects` makes it, and tells how many it has made.

        It is called under the lock, so that a walk finds all that was counted. `forced` for what
        soon takes the place of something that counts. Raises BucketFull, OSError.
        """
        if self._bounds is None:
            objects()
            return
        with self._held() as held:
            count = _read(held) if forced else self._checked(held, octets)
            made = objects()
            _write(held, count._replace(octets=count.octets + octets, objects=count.objects + made))

    def lessen(self, work: Callable[[], tuple[int, int]]) -> None:
        """Count something less; `work` takes it away, and tells how many bytes and objects.

        It is called under the lock: neither a walk nor another who takes the same away counts it
        twice. Raises OSError, and what `work` raises.
        """
        if self._bounds is None:
            work()
            return
        with self._held() as held:
            octets, objects = work()
            count = _read(held)
            less = count._replace(
                octets=max(0, count.octets - octets), objects=max(0, count.objects - objects)
            )
            # What is counted too much shows at the next walk.
            with contextlib.suppress(OSError):
                _write(held, less)

    def sweep(self, age: int = RECOUNT_SECONDS) -> None:
        """Walk the folder if the last time is `age` seconds ago. Raises OSError.

        That throws away what was left unfinished, also where nobody puts anything any more.
        """
        if self._bounds is None or not (self._root.exists() or self._uploads.exists()):
            return
        with self._held() as held:
            if not 0 <= time.time() - _read(held).counted < age:
                _write(held, self._walk(self._bounds))

    @contextlib.contextmanager
    def _held(self) -> Iterator[int]:
        self._root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def _checked(self, held: int, octets: int) -> Count:
        bounds = self._bounds
        assert bounds is not None
        count = _read(held)
        for believed in (RECOUNT_SECONDS, RECHECK_SECONDS):
            if not 0 <= time.time() - count.counted <= believed:
                count = self._walk(bounds)
                _write(held, count)
            if count.octets + octets <= bounds.octets and count.objects < bounds.objects:
                return count
        raise BucketFull(f"The bucket may hold {bounds.octets} bytes in {bounds.objects} objects.")

    def _walk(self, bounds: Bounds) -> Count:
        now = time.time()
        oldest = now - bounds.seconds
        with contextlib.suppress(FileNotFoundError):
            for each in os.scandir(self._uploads):
                with contextlib.suppress(FileNotFoundError):
                    if each.stat(follow_symlinks=False).st_mtime < oldest:
                        shutil.rmtree(each.path, ignore_errors=True)
        octets = objects = 0
        for top in (self._root, self._uploads):
            for folder, folders, files in os.walk(top):
                objects += len(folders)
                for file in files:
                    path = Path(folder, file)
                    with contextlib.suppress(FileNotFoundError):
                        facts = path.lstat()
                        if facts.st_mtime < oldest and self._is_left(path):
                            path.unlink()
                            continue
                        octets += facts.st_size
                        objects += 1
        return Count(octets, objects, int(now))

    def _is_left(self, path: Path) -> bool:
        """Whether a file was left unfinished; what an upload is being made into goes with it."""
        if not UNFINISHED.fullmatch(path.name):
            return False
        upload = path.name.removeprefix(UPLOADING) if path.parent == self._root else ""
        return not (_ID.fullmatch(upload) and (self._uploads / upload).exists())


def _read(held: int) -> Count:
    words = os.pread(held, 100, 0).split()
    # A count that cannot be read is one that was never made.
    return Count(*map(int, words)) if [each.isdigit() for each in words] == [True] * 3 else Count()


def _write(held: int, count: Count) -> None:
    os.pwrite(held, b"%20d %20d %20d\n" % count, 0)

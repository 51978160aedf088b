"""Objects of a folder in the order of S3's lists: by the UTF-8 bytes of their whole names.

A folder sorts as its name with the slash behind it, so that walking folders in that order gives the
objects in theirs. Folders that hold nothing of what is asked for are not opened, and only the
objects that are told are looked at.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workpost.integrations.s3.folder_files import UNFINISHED, translated

MOST_KEPT = 200_000
"""Names of folders that are kept in memory while the folders do not change."""
SETTLED_NS = 2_000_000_000
"""Age of a folder's last change from which its time tells the next one."""


class _Kept(NamedTuple):
    facts: tuple[int, int]
    names: list[bytes]


class Listing:
    """Names below a folder; keeps those of folders that do not change."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._held = 0
        self._lock = threading.Lock()

    def names(self, top: Path, base: str, prefix: str, after: str) -> Iterator[str]:
        """Names greater than `after` that begin with `prefix`; those in `top` begin with `base`.

        Raises Refused, TryLater.
        """
        wanted, last = prefix.encode(), after.encode()
        stack = [self._level(str(top), base.encode(), wanted, last)]
        while stack:
            name = next(stack[-1], None)
            if name is None:
                stack.pop()
            elif name.endswith(b"/"):
                folder = os.path.join(str(top), name[len(base.encode()) :].decode())
                stack.append(self._level(folder, name, wanted, last))
            else:
                yield name.decode()

    def _level(self, folder: str, base: bytes, prefix: bytes, after: bytes) -> Iterator[bytes]:
        """Whole names in one folder, in order, that matter; folders end in a slash."""
        names = self._sorted(folder)
        start = 0
        for bound in (prefix, after):
            if bound.startswith(base):
                head, slash, _ = bound[len(base) :].partition(b"/")
                start = max(start, bisect_left(names, head + slash))
        for each in names[start:]:
            name = base + each
            if each.endswith(b"/"):
                if name.startswith(prefix) or prefix.startswith(name):
                    if name > after or after.startswith(name):
                        yield name
                    continue
            elif name.startswith(prefix):
                if name > after:
                    yield name
                continue
            if name > prefix:
                return

    def _sorted(self, folder: str) -> list[bytes]:
        try:
            facts = os.stat(folder)
            state = (facts.st_ino, facts.st_mtime_ns)
            kept = self._kept.get(folder)
            if kept is not None and kept.facts == state:
                return kept.names
            now = time.time_ns()
            names = sorted(_names_in(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise translated(error, "read") from error
        self._keep(folder, _Kept(state, names), settled=now - facts.st_mtime_ns > SETTLED_NS)
        return names

    def _keep(self, folder: str, kept: _Kept, *, settled: bool) -> None:
        with self._lock:
            before = self._kept.pop(folder, None)
            if before is not None:
                self._held -= len(before.names) + 1
            if not settled:
                return
            if self._held + len(kept.names) >= MOST_KEPT:
                self._kept.clear()
                self._held = 0
            self._kept[folder] = kept
            self._held += len(kept.names) + 1


def _names_in(folder: str) -> Iterator[bytes]:
    with os.scandir(os.fsencode(folder)) as found:
        for each in found:
            try:
                name = each.name.decode()
            except UnicodeDecodeError:
                continue
            if each.is_dir(follow_symlinks=False):
                yield each.name + b"/"
            elif each.is_file(follow_symlinks=False) and not UNFINISHED.fullmatch(name):
                yield each.name

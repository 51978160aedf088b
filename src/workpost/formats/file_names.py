"""Names for files and folders that every operating system takes and none mistakes for another.

Folder names of a mailbox may hold nearly anything. What Windows, macOS or a shell would not take is
replaced; names that differ only in what some file system ignores (case, normal form) are told
apart by a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_CHARACTERS = 80
MAX_BYTES = 200
"""Of a name; file systems allow 255 bytes, a number may still be added."""
MESSAGE_SUFFIX = ".eml"

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
)


def safe_name(name: str) -> str:
    """A folder name with everything replaced that some system would not take; never empty."""
    composed = unicodedata.normalize("NFC", name)
    shown = "".join("_" if unicodedata.category(each)[0] == "C" else each for each in composed)
    cut = _FORBIDDEN.sub("_", shown)[:MAX_CHARACTERS].encode()[:MAX_BYTES].decode(errors="ignore")
    # Windows drops trailing dots and blanks, and then takes the name for another.
    kept = cut.strip().rstrip(". ") or "_"
    if kept.partition(".")[0].strip().upper() in _DEVICES:
        kept = f"_{kept}"
    if kept.casefold().endswith(MESSAGE_SUFFIX):
        kept += "_"
    return kept


def message_name(uid: int) -> str:
    """The name of a message: its UID in ten digits, so that names sort as the messages came."""
    return f"{uid:010}{MESSAGE_SUFFIX}"


class FolderNames:
    """Gives each folder of a tree a path of safe names, unlike every other path."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], str] = {(): ""}
        self._taken: set[str] = set()
        self._claimed: set[str] = set()
        self._numbers: dict[str, int] = {}
        """The last number by folded path: many names may become the same one."""

    def claim(self, parts: Sequence[str]) -> str:
        """A path for one more folder of this name, ending in a slash.

        Below the path of the folder above it, unless that has got another name since.
        """
        key = tuple(parts)
        path = self._path(key)
        if path in self._claimed:
            path = self._given[key] = self._fresh(key)
        self._claimed.add(path)
        return path

    def _path(self, key: tuple[str, ...]) -> str:
        if key not in self._given:
            self._given[key] = self._fresh(key)
        return self._given[key]

    def _fresh(self, key: tuple[str, ...]) -> str:
        above, name = self._path(key[:-1]), safe_name(key[-1])
        path = f"{above}{name}/"
        first = folded = _fold(path)
        while folded in self._taken:
            number = self._numbers[first] = self._numbers.get(first, 1) + 1
            path = f"{above}{name} ({number})/"
            folded = _fold(path)
        self._taken.add(folded)
        return path


def _fold(path: str) -> str:
    folded = unicodedata.normalize("NFKD", path).casefold()
    return unicodedata.normalize("NFKD", folded)

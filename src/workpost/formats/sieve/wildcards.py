"""Wildcards of `:matches` (RFC 5228 2.7.1), found from left to right.

`*` takes as little as it can (RFC 5229 3.2), `?` one character, `\\` quotes. What stands between
two `*` is looked for once, behind what was found before: that is the least that each `*` can take.
An engine for regular expressions would carry hundreds of groups along instead, for minutes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import re2

from workpost.formats.sieve import regex

Span = tuple[int, int]


class _Piece(NamedTuple):
    """What stands between two `*`; `holes` are the places of `?` in it, known to `pattern` only."""

    text: str
    holes: tuple[int, ...]
    pattern: re2._Regexp | None

    def find(self, value: str, start: int) -> int:
        """Where it comes first from a place on, -1 for nowhere."""
        if self.pattern is None:
            return value.find(self.text, start)
        found = self.pattern.search(value, start)
        return -1 if found is None else found.start()

    def is_at(self, value: str, start: int) -> bool:
        """Whether it stands at a place."""
        end = start + len(self.text)
        if self.pattern is None or end > len(value):
            return value.startswith(self.text, start)
        return self.pattern.fullmatch(value[start:end]) is not None


def find(pattern: str, value: str) -> list[Span] | None:
    """The places of the whole value and of each wildcard, None where it does not match.

    Both are made comparable before. Raises ValueError for a pattern that is too long.
    """
    first, *others = _pieces(pattern)
    if not first.is_at(value, 0) or (not others and len(first.text) != len(value)):
        return None
    spans = [(0, len(value)), *((hole, hole + 1) for hole in first.holes)]
    at = len(first.text)
    for number, piece in enumerate(others, 1):
        if number < len(others):
            start = piece.find(value, at)
        else:
            start = len(value) - len(piece.text)
            start = start if start >= at and piece.is_at(value, start) else -1
        if start < 0:
            return None
        spans.append((at, start))
        spans += [(start + hole, start + hole + 1) for hole in piece.holes]
        at = start + len(piece.text)
    return spans


@lru_cache(64)
def _pieces(pattern: str) -> list[_Piece]:
    pieces: list[list[str | None]] = [[]]
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "*":
            pieces.append([])
        elif letter == "?":
            pieces[-1].append(None)
        else:
            if letter == "\\" and at + 1 < len(pattern):
                at += 1
            pieces[-1].append(pattern[at])
        at += 1
    return [_piece(letters) for letters in pieces]


def _piece(letters: list[str | None]) -> _Piece:
    holes = tuple(place for place, letter in enumerate(letters) if letter is None)
    compiled = None
    if holes:
        text = "".join("." if letter is None else re2.escape(letter) for letter in letters)
        compiled = regex.compile_pattern(text, ignore_case=False, own=True)
    return _Piece("".join(letter or "?" for letter in letters), holes, compiled)

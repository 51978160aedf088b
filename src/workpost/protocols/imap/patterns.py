"""Names with wildcards (RFC 3501 6.3.8): `*` stands for anything, `%` for anything but `/`.

Matching keeps the set of places in the pattern that the name may have reached, as bits of one
integer: a few operations for each character of the name, whatever the wildcards. Runs of wildcards
mean no more than one of them does, so a pattern is first made short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

MAX_PATTERN = 1_000
DELIMITER = "/"


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether the name matches one of the patterns."""
    return any(match(name, pattern) for pattern in patterns)


def match(name: str, pattern: str) -> bool:
    """Return whether the name matches the pattern; longer ones than MAX_PATTERN match nothing."""
    if pattern in ("*", name):
        return True
    compiled = _compiled(pattern)
    return bool(_places(name, compiled) & compiled.end)


def reaches(prefix: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns may match the prefix, or a name that begins with it."""
    return any(_places(prefix, _compiled(pattern)) for pattern in patterns)


class _Compiled(NamedTuple):
    """A pattern as bits: the places of each character and wildcard; `end` is the place after it."""

    literals: dict[str, int]
    stars: int
    percents: int
    end: int


_RUN = re.compile(r"[*%]{2,}")


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> _Compiled:
    if len(pattern) > MAX_PATTERN:
        return _Compiled({}, 0, 0, 0)
    short = _RUN.sub(lambda run: "*" if "*" in run.group() else "%", pattern)
    places: dict[str, int] = {}
    for place, character in enumerate(short):
        places[character] = places.get(character, 0) | 1 << place
    stars, percents = places.pop("*", 0), places.pop("%", 0)
    return _Compiled(places, stars, percents, 1 << len(short))


def _places(name: str, pattern: _Compiled) -> int:
    """The places in the pattern that the name may have reached."""
    literals, stars, percents, end = pattern
    wildcards = stars | percents
    # A wildcard may stand for nothing: what follows it is reached as well.
    reached = (1 | (1 & wildcards) << 1) if end else 0
    for character in name:
        stay = reached & (stars if character == DELIMITER else wildcards)
        reached = stay | (reached & literals.get(character, 0)) << 1
        reached |= (reached & wildcards) << 1
        if not reached:
            break
    return reached

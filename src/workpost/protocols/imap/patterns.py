"""Names with wildcards (RFC 3501 6.3.8): `*` stands for anything, `%` for anything but `/`.

Matching keeps the set of places in the pattern that the name may have reached, so that its time
is bounded by the product of both lengths, whatever the wildcards.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_PATTERN = 1_000
DELIMITER = "/"


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether the name matches one of the patterns."""
    return any(match(name, pattern) for pattern in patterns)


def match(name: str, pattern: str) -> bool:
    """Return whether the name matches the pattern; longer ones than MAX_PATTERN match nothing."""
    if pattern in ("*", name):
        return True
    return len(pattern) in _places(name, pattern)


def reaches(prefix: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns may match the prefix, or a name that begins with it."""
    return any(_places(prefix, pattern) for pattern in patterns)


def _places(name: str, pattern: str) -> set[int]:
    """Places in the pattern that the name may have reached."""
    if len(pattern) > MAX_PATTERN:
        return set()
    places = _past_wildcards({0}, pattern)
    for character in name:
        after = set()
        for place in places:
            if place == len(pattern):
                continue
            wanted = pattern[place]
            if wanted == "*" or (wanted == "%" and character != DELIMITER):
                after.add(place)
            elif wanted == character:
                after.add(place + 1)
        places = _past_wildcards(after, pattern)
        if not places:
            break
    return places


def _past_wildcards(places: set[int], pattern: str) -> set[int]:
    """A wildcard may stand for nothing: what follows it is reached as well."""
    reached = set(places)
    for place in places:
        following = place
        while following < len(pattern) and pattern[following] in "*%":
            following += 1
            reached.add(following)
    return reached

"""Comparators (RFC 4790) and match types (RFC 5228 2.7.1, RFC 5231, the regex draft)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import normalize

import re2

from workpost.formats.sieve import regex, wildcards
from workpost.formats.sieve.errors import SieveRunError
from workpost.formats.sieve.limits import MAX_PATTERN, MAX_REGEX_WORK, MAX_VALUE_TO_MATCH

DEFAULT = "i;ascii-casemap"
_INFINITY = float("inf")
_DIGITS = re.compile(r"[0-9]+")
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}
_ASCII_UPPER = {ord(letter): ord(letter) - 32 for letter in "abcdefghijklmnopqrstuvwxyz"}


def normalized(text: str, comparator: str) -> str:
    """What two texts have in common when a comparator holds them equal."""
    if comparator == "i;ascii-casemap":
        return text.translate(_ASCII_UPPER)
    if comparator == "i;unicode-casemap":
        # RFC 5051 2: decomposed, so that one letter with an accent is a letter and its accent.
        return text if text.isascii() and text.islower() else normalize("NFKD", text.casefold())
    return text


def number_of(text: str) -> tuple[float, str]:
    """i;ascii-numeric: what orders by the digits at the start, of which there may be any number.

    What does not start with one is infinite.
    """
    found = _DIGITS.match(text)
    if found is None:
        return _INFINITY, ""
    digits = found[0].lstrip("0")
    return len(digits), digits


class Match:
    """How values are compared with keys in one test.

    `found` are the groups of the last :matches or :regex that matched, the whole first.
    """

    def __init__(self, tags: dict[str, object]) -> None:
        comparator = tags.get(":comparator")
        self._comparator = comparator if isinstance(comparator, str) else DEFAULT
        self.count = _relation(tags, ":count")
        self._value = _relation(tags, ":value")
        self._kind = next((k for k in (":contains", ":matches", ":regex") if k in tags), ":is")
        self.found: list[str] | None = None

    def any_of(
        self, values: Sequence[str], keys: Sequence[str], tick: Callable[[], None] = lambda: None
    ) -> bool:
        """Whether a value matches a key; with :count, whether their number does.

        `tick` is called before each comparison, and may raise SieveRunError.
        """
        if self.count is not None:
            number = str(len(values))
            return any(self._related(self.count, number, key) for key in keys)
        if self._kind == ":contains" and self._value is None:
            # Long values are made comparable once, not for each key.
            sought = [normalized(key, self._comparator) for key in keys]
            for value in values:
                tick()
                plain = normalized(value[:MAX_VALUE_TO_MATCH], self._comparator)
                if any(key in plain for key in sought):
                    return True
            return False
        for value in values:
            for key in keys:
                tick()
                if self.one(value, key):
                    return True
        return False

    def one(self, value: str, key: str) -> bool:
        """Whether one value matches one key."""
        value = value[:MAX_VALUE_TO_MATCH]
        if self._value is not None:
            return self._related(self._value, value, key)
        if self._kind == ":matches":
            return self._search_wildcards(key, value)
        if self._kind == ":regex":
            return self._search_expression(key, value)
        if self._kind == ":contains":
            return normalized(key, self._comparator) in normalized(value, self._comparator)
        return self._related("eq", value, key)

    def _related(self, relation: str, value: str, key: str) -> bool:
        if self._comparator == "i;ascii-numeric":
            return _RELATIONS[relation](number_of(value), number_of(key))
        left, right = normalized(value, self._comparator), normalized(key, self._comparator)
        # The order of octets, which that of code points is in UTF-8.
        return _RELATIONS[relation](left, right)

    def _search_wildcards(self, key: str, value: str) -> bool:
        if len(key) > MAX_PATTERN:
            raise SieveRunError("the pattern is too long")
        try:
            spans = wildcards.find(
                _in_place(key, self._comparator), _in_place(value, self._comparator)
            )
        except ValueError as error:
            raise SieveRunError(f"the pattern is not usable: {error}") from None
        return self._note(spans, value)

    def _search_expression(self, key: str, value: str) -> bool:
        pattern = _expression(key, self._comparator)
        # RE2's work in the worst case: each character, at each place, with each group.
        if len(value) * pattern.programsize * (pattern.groups + 1) > MAX_REGEX_WORK:
            raise SieveRunError("the regular expression costs too much")
        found = pattern.search(value)
        if found is None:
            return self._note(None, value)
        return self._note([found.span(group) for group in range(pattern.groups + 1)], value)

    def _note(self, spans: Sequence[tuple[int, int]] | None, value: str) -> bool:
        """Whether there was a match; its groups are parts of `value`."""
        if spans is None:
            return False
        self.found = [value[start:end] if start >= 0 else "" for start, end in spans]
        return True


def _relation(tags: dict[str, object], name: str) -> str | None:
    relation = tags.get(name)
    if not isinstance(relation, str):
        return None
    if relation.lower() not in _RELATIONS:
        raise SieveRunError(f"{relation[:20]!r} is no relation")
    return relation.lower()


def _in_place(text: str, comparator: str) -> str:
    """`normalized`, as far as every letter stays one letter in its place."""
    if comparator != "i;unicode-casemap":
        return normalized(text, comparator)
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(one if len(one := letter.casefold()) == 1 else letter for letter in text)


def _expression(key: str, comparator: str) -> re2._Regexp:
    try:
        return regex.compile_pattern(key, ignore_case=comparator != "i;octet")
    except ValueError as error:
        raise SieveRunError(f"the regular expression is not usable: {error}") from None

"""Variables in strings (RFC 5229) and encoded characters (RFC 5228 2.4.2.4)."""

from __future__ import annotations

import re
from urllib.parse import quote

from workpost.formats.sieve.errors import SieveRunError
from workpost.formats.sieve.limits import MAX_NAME, MAX_VALUE, MAX_VARIABLES

_REFERENCE = re.compile(r"\$\{((?:[A-Za-z_][A-Za-z0-9_]*\.)*[A-Za-z_][A-Za-z0-9_]*|[0-9]{1,9})\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENCODED = re.compile(
    r"\$\{(?:hex:([ \t\r\n]*[0-9A-F]{1,2}(?:[ \t\r\n]+[0-9A-F]{1,2})*[ \t\r\n]*)"
    r"|unicode:([ \t\r\n]*[0-9A-F]+(?:[ \t\r\n]+[0-9A-F]+)*[ \t\r\n]*))\}",
    re.IGNORECASE,
)
_ONCE_DIGITS = 6
_WILDCARDS = re.compile(r"([*?\\])")
_REGEX_SPECIAL = re.compile(r"([\\^$.|?*+()\[\]{}])")
MODIFIERS = (
    (":lower", ":upper"),
    (":lowerfirst", ":upperfirst"),
    (":quotewildcard", ":quoteregex"),
    (":encodeurl",),
    (":length",),
)
"""RFC 5229 4.1 by descending precedence: 40, 30, 20, 15 (RFC 5435 6), 10."""


def decode_characters(text: str, *, new: bool = True) -> str:
    """Replace `${hex:..}` and `${unicode:..}`. Raises ValueError for what is no character.

    Numbers with more than six digits were once left as they are: in a script that is not `new`
    those that are no characters still are.
    """

    def replace(found: re.Match[str]) -> str:
        if found[1] is not None:
            octets = bytes(int(each, 16) for each in found[1].split())
            return octets.decode("utf-8")
        points = [int(each, 16) for each in found[2].split()]
        if any(point > 0x10FFFF or 0xD800 <= point <= 0xDFFF for point in points):
            if not new and max(map(len, found[2].split())) > _ONCE_DIGITS:
                return found[0]
            raise ValueError(f"{found[0][:40]} is no character")
        return "".join(map(chr, points))

    try:
        decoded = _ENCODED.sub(replace, text)
    except UnicodeDecodeError:
        raise ValueError("${hex:} does not give UTF-8") from None
    if "\0" in decoded:
        raise ValueError("NUL is no character of a script")
    return decoded


def is_name(text: str) -> bool:
    """Whether a variable may have this name (RFC 5229 3)."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def is_constant(text: str) -> bool:
    """Whether no variable stands in a string."""
    return _REFERENCE.search(text) is None


class Variables:
    """The variables of one run, names in any case; `matched` holds those of the last match."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self.matched: list[str] = []

    def expand(self, text: str) -> str:
        """Replace references by their values, once (RFC 5229 3). Unknown ones are empty.

        What gets longer than a value may be is cut, and never made longer on the way.
        """
        if "${" not in text:
            return text
        found: list[str] = []
        size = at = 0
        for reference in _REFERENCE.finditer(text):
            for piece in (text[at : reference.start()], self._value(reference)):
                found.append(piece)
                size += len(piece)
            at = reference.end()
            if size >= MAX_VALUE:
                break
        else:
            found.append(text[at:])
        return "".join(found)[:MAX_VALUE]

    def _value(self, found: re.Match[str]) -> str:
        name = found[1].lower()
        if name.isdecimal():
            number = int(name)
            return self.matched[number] if number < len(self.matched) else ""
        return self._values.get(name, "")

    def get(self, name: str) -> str:
        """The value of a variable, "" where it has none."""
        return self._values.get(name.lower(), "")

    def set(self, name: str, value: str) -> None:
        """Give a variable a value. Raises SieveRunError for a name that cannot be one."""
        if not is_name(name):
            raise SieveRunError(f"{name[:40]!r} is no name of a variable")
        if name.lower() not in self._values and len(self._values) >= MAX_VARIABLES:
            raise SieveRunError(f"there are more than {MAX_VARIABLES} variables")
        self._values[name.lower()] = value[:MAX_VALUE]


def modify(text: str, tags: dict[str, object]) -> str:
    """Apply the modifiers of `set`, in order of their precedence."""
    for group in MODIFIERS:
        for name in group:
            if name in tags:
                text = _modified(text, name)
    return text


def _modified(text: str, name: str) -> str:
    if name == ":lower":
        return text.lower()
    if name == ":upper":
        return text.upper()
    if name == ":lowerfirst":
        return text[:1].lower() + text[1:]
    if name == ":upperfirst":
        return text[:1].upper() + text[1:]
    if name == ":quotewildcard":
        return _WILDCARDS.sub(r"\\\1", text)
    if name == ":quoteregex":
        return _REGEX_SPECIAL.sub(r"\\\1", text)
    if name == ":encodeurl":
        return quote(text, safe="")
    return str(len(text))

"""Commands and their arguments (RFC 5804 4): a verb, then strings and numbers."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_QUOTED = 1024
"""Octets of a quoted string (RFC 5804 4)."""
MAX_NUMBER = 2**32 - 1

_VERB = re.compile(rb"[A-Za-z]{1,20}")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"')
_NUMBER = re.compile(rb"[0-9]{1,10}(?![0-9A-Za-z])")
_ESCAPE = re.compile(rb"\\(.)")

Argument = bytes | int


class WireError(Exception):
    """What the client sent follows no grammar; the message says what is wrong."""


class Command(NamedTuple):
    """A command, its verb in capitals; strings as octets, unquoted."""

    verb: str
    arguments: list[Argument]


def parse(parts: tuple[bytes, ...]) -> Command:
    """The command of a frame. Raises WireError."""
    found = _VERB.match(parts[0])
    if found is None:
        raise WireError("That is no command")
    verb = found[0].decode().upper()
    arguments = _arguments(parts, found.end())
    return Command(verb, arguments)


def parse_string(parts: tuple[bytes, ...]) -> bytes:
    """The string that answers a challenge of AUTHENTICATE. Raises WireError."""
    arguments = _arguments((b" " + parts[0], *parts[1:]), 0)
    if len(arguments) != 1 or not isinstance(arguments[0], bytes):
        raise WireError("A string is expected")
    return arguments[0]


def _arguments(parts: tuple[bytes, ...], at: int) -> list[Argument]:
    found: list[Argument] = []
    last = len(parts) - 1
    for number in range(0, len(parts), 2):
        text = parts[number]
        while at < len(text):
            at = _space(text, at)
            if at == len(text) and number < last:
                break
            argument, at = _argument(text, at)
            found.append(argument)
        if number < last:
            # The mark of a literal stood here, behind a space.
            if not text.endswith(b" "):
                raise WireError("A space is missing before a literal")
            found.append(parts[number + 1])
            at = 0
    return found


def _space(text: bytes, at: int) -> int:
    if text[at : at + 1] != b" ":
        raise WireError("A space is missing")
    return at + 1


def _argument(text: bytes, at: int) -> tuple[Argument, int]:
    if (found := _QUOTED.match(text, at)) is not None:
        if len(found[1]) > MAX_QUOTED:
            raise WireError("A quoted string is too long")
        return _ESCAPE.sub(rb"\1", found[1]), found.end()
    if (found := _NUMBER.match(text, at)) is not None:
        number = int(found[0])
        if number > MAX_NUMBER:
            raise WireError("A number is too large")
        return number, found.end()
    raise WireError("An argument is neither a string nor a number")

"""Tokens of Sieve (RFC 5228 8.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from workpost.formats.sieve.errors import SieveError
from workpost.formats.sieve.limits import MAX_NUMBER, MAX_SCRIPT

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+ | \#[^\n]*(?:\n|\Z) | /\*.*?\*/)
  | (?P<multiline>text:[ \t]*(?:\#[^\n]*)?\r?\n)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<tag>:[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9]+[KMGkmg]?(?![A-Za-z0-9_]))
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<mark>[\[\]{}();,])
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_END_OF_TEXT = re.compile(r"^\.\r?$", re.MULTILINE)


class Kind(Enum):
    """What a token is."""

    WORD = "a word"
    TAG = "a tag"
    NUMBER = "a number"
    STRING = "a string"
    MARK = "a mark"
    END = "the end of the script"


class Token(NamedTuple):
    """One token; `text` of a string is its value, of words and tags in lower case."""

    kind: Kind
    text: str
    line: int
    number: int = 0


def tokens(source: bytes) -> Iterator[Token]:
    """The tokens of a script, the last one END. Raises SieveError."""
    if len(source) > MAX_SCRIPT:
        raise SieveError(f"the script is larger than {MAX_SCRIPT} octets")
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError:
        raise SieveError("the script is not UTF-8") from None
    if "\0" in text:
        raise SieveError("the script contains NUL")
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise SieveError(_complaint(text, at), line)
        end = found.end()
        kind = found.lastgroup
        if kind == "multiline":
            value, end = _multiline(text, end, line)
            yield Token(Kind.STRING, value, line)
        elif kind != "space":
            yield _token(kind or "", found[0], line)
        line += text.count("\n", at, end)
        at = end
    yield Token(Kind.END, "", line)


def _token(kind: str, text: str, line: int) -> Token:
    if kind == "word":
        return Token(Kind.WORD, text.lower(), line)
    if kind == "tag":
        return Token(Kind.TAG, text.lower(), line)
    if kind == "string":
        return Token(Kind.STRING, _ESCAPE.sub(r"\1", text[1:-1]), line)
    if kind == "mark":
        return Token(Kind.MARK, text, line)
    digits = text.rstrip("KMGkmg")
    # Of more digits than a number may have, the worth is not asked.
    value = int(digits) if len(digits) < 20 else MAX_NUMBER + 1
    value *= _UNITS[text[len(digits) :].upper()]
    if value > MAX_NUMBER:
        raise SieveError(f"the number {text[:20]} is too large", line)
    return Token(Kind.NUMBER, text, line, value)


def _multiline(text: str, start: int, line: int) -> tuple[str, int]:
    """RFC 5228 2.4.2: up to a line of one dot; a doubled dot at a line's start is one."""
    found = _END_OF_TEXT.search(text, start)
    if found is None:
        raise SieveError("the text: has no end (a line with one dot)", line)
    value = re.sub(r"^\.\.", ".", text[start : found.start()], flags=re.MULTILINE)
    end = found.end()
    return value, end + 1 if text.startswith("\n", end) else end


def _complaint(text: str, at: int) -> str:
    if text[at] == '"':
        return "a string has no end"
    if text.startswith("/*", at):
        return "a comment has no end"
    return f"{text[at]!r} is not understood here"

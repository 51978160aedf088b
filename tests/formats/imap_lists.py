"""Reads IMAP lists strictly, to check that what is sent is what the grammar allows."""

from __future__ import annotations

import re
from typing import Any

_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_ATOM = re.compile(rb"NIL|\d+")


def parse(data: bytes) -> Any:
    """Return lists, bytes, ints and None; AssertionError if `data` is not one list."""
    value, position = _value(data, 0)
    assert position == len(data), data[position:]
    return value


def _value(data: bytes, position: int) -> tuple[Any, int]:
    if data[position : position + 1] == b"(":
        return _list(data, position + 1)
    if match := _QUOTED.match(data, position):
        return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
    if match := _LITERAL.match(data, position):
        end = match.end() + int(match[1])
        text = data[match.end() : end]
        assert len(text) == int(match[1])
        assert b"\0" not in text
        return text, end
    match = _ATOM.match(data, position)
    assert match is not None, data[position : position + 60]
    return (None if match[0] == b"NIL" else int(match[0])), match.end()


def _list(data: bytes, position: int) -> tuple[list[Any], int]:
    out: list[Any] = []
    while data[position : position + 1] != b")":
        assert position < len(data)
        # Only lists may touch: bodies of a multipart, addresses.
        if data[position : position + 1] == b" ":
            assert out
            position += 1
        elif out:
            assert data[position : position + 1] == b"("
            assert isinstance(out[-1], list)
        value, position = _value(data, position)
        out.append(value)
    assert out, "an empty list is NIL"
    return out, position + 1


def check_envelope(data: bytes) -> list[Any]:
    """Check an ENVELOPE against the grammar of RFC 3501 9; return it parsed."""
    return _envelope(parse(data))


def _envelope(value: Any) -> list[Any]:
    assert isinstance(value, list)
    assert len(value) == 10
    for text in (value[0], value[1], value[8], value[9]):
        assert text is None or isinstance(text, bytes)
    for addresses in value[2:8]:
        for address in addresses or []:
            assert len(address) == 4
            assert all(x is None or isinstance(x, bytes) for x in address)
    return value


def check_body(data: bytes, *, extended: bool) -> list[Any]:
    """Check a BODY or BODYSTRUCTURE against the grammar of RFC 3501 9; return it parsed."""
    return _body(parse(data), extended)


def _body(value: Any, extended: bool) -> list[Any]:
    assert isinstance(value, list)
    if isinstance(value[0], list):
        count = sum(1 for x in value if isinstance(x, list))
        bodies = value[: next(i for i, x in enumerate(value) if not isinstance(x, list))]
        assert count >= len(bodies) >= 1
        for body in bodies:
            _body(body, extended)
        rest = value[len(bodies) :]
        assert isinstance(rest[0], bytes)
        assert len(rest) == (5 if extended else 1)
        if extended:
            _parameters(rest[1])
            _extension(rest[2:])
        return value
    major, minor, params, identity, description, encoding, size = value[:7]
    assert all(isinstance(x, bytes) for x in (major, minor, encoding))
    assert isinstance(size, int)
    assert all(x is None or isinstance(x, bytes) for x in (identity, description))
    _parameters(params)
    rest = value[7:]
    if (major, minor) == (b"MESSAGE", b"RFC822"):
        _envelope(rest[0])
        _body(rest[1], extended)
        rest = rest[2:]
    if major == b"TEXT" or (major, minor) == (b"MESSAGE", b"RFC822"):
        assert isinstance(rest[0], int)
        rest = rest[1:]
    assert len(rest) == (4 if extended else 0)
    if extended:
        assert rest[0] is None or isinstance(rest[0], bytes)
        _extension(rest[1:])
    return value


def _parameters(value: Any) -> None:
    assert value is None or (isinstance(value, list) and len(value) % 2 == 0)
    assert all(isinstance(x, bytes) for x in value or [])


def _extension(value: list[Any]) -> None:
    disposition, language, location = value
    if disposition is not None:
        kind, params = disposition
        assert isinstance(kind, bytes)
        _parameters(params)
    assert (
        language is None
        or isinstance(language, bytes)
        or all(isinstance(x, bytes) for x in language)
    )
    assert location is None or isinstance(location, bytes)

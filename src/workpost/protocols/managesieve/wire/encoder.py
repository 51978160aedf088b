"""What the server says (RFC 5804 1.2, 1.3 and 4)."""

from __future__ import annotations

import re

_PLAIN = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\xff]{0,1000}")
_SPECIAL = re.compile(rb'(["\\])')


def string(text: str | bytes) -> bytes:
    """A string: quoted where it is short and of one line, else a literal."""
    octets = text.encode() if isinstance(text, str) else text
    if _PLAIN.fullmatch(octets):
        return b'"' + _SPECIAL.sub(rb"\\\1", octets) + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    """A literal, as the server sends them (without `+`)."""
    return b"{%d}\r\n" % len(octets) + octets


def response(status: str, text: str = "", code: str | bytes = "") -> bytes:
    """OK, NO or BYE; `code` comes without its parentheses."""
    line = status.encode()
    if code:
        line += b" (" + (code.encode() if isinstance(code, str) else code) + b")"
    if text:
        line += b" " + string(text)
    return line + b"\r\n"


def capability(name: str, value: str | None = None) -> bytes:
    """One line of the capabilities (RFC 5804 1.7)."""
    return string(name) + (b"" if value is None else b" " + string(value)) + b"\r\n"

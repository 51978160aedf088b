"""Canonicalization of header fields and bodies (RFC 6376 3.4), and the choice of fields (5.4.2).

A hot path: few passes over bytes, each in C. CRLF ends a line; a CR or LF alone is a character like
any other. What was made once for a message is kept, so that further signatures cost little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

SIMPLE = "simple"
RELAXED = "relaxed"
LARGEST_HEADER = 1 << 20
"""Bytes of a header that is looked at; beyond it a message is not authenticated by signatures."""

_FIELD_ENDS = re.compile(rb"\r\n(?![ \t])")
_FOLDS = re.compile(rb"\r\n(?=[ \t])")
_TAIL = b"\r\n" * 512


def relax_field(field: bytes) -> bytes:
    """A header field without its last CRLF in relaxed form (RFC 6376 3.4.2), without a CRLF."""
    name, _, value = field.partition(b":")
    return name.rstrip(b" \t").lower() + b":" + _relax_spaces(_unfold(value)).strip(b" ")


def _unfold(value: bytes) -> bytes:
    return _FOLDS.sub(b"", value) if b"\r\n" in value else value


def _relax_spaces(data: bytes) -> bytes:
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    # A few passes of a search for two octets cost less than one of a regular expression; each
    # halves the longest run.
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data


def relax_body(body: bytes) -> bytes:
    """A body in relaxed form (RFC 6376 3.4.4): an empty one stays empty."""
    body = _relax_spaces(body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    # The last line may have no end: its white space goes, too.
    return _end_body(body.rstrip(b" ") if body.endswith(b" ") else body)


def simple_body(body: bytes) -> bytes:
    """A body in simple form (RFC 6376 3.4.3): an empty one is a CRLF."""
    return _end_body(body) or b"\r\n"


def _end_body(body: bytes) -> bytes:
    """Without empty lines at its end, which is CRLF where anything is left."""
    end = len(body)
    # A body may be nothing but empty lines: great steps first.
    while end >= len(_TAIL) and body.endswith(_TAIL, 0, end):
        end -= len(_TAIL)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    if not end:
        return b""
    return body if end == len(body) - 2 else body[:end] + b"\r\n"


class Fields:
    """The header of a message, field by field, and its body.

    `fields` are as they came, without their last CRLF. The header ends at the first empty line; a
    message without one has no body.
    """

    def __init__(self, raw: bytes) -> None:
        if raw.startswith(b"\r\n"):
            head, self._start = b"", 2
        else:
            end = raw.find(b"\r\n\r\n", 0, LARGEST_HEADER + 4)
            if end < 0:
                # Without an empty line everything is header, too large a one is left alone.
                end = len(raw) - 2 if raw.endswith(b"\r\n") else len(raw)
            head, self._start = raw[: min(end, LARGEST_HEADER + 1)], min(end + 4, len(raw))
        self.too_large = len(head) > LARGEST_HEADER
        self._raw = raw
        self.fields: list[bytes] = []
        if head and not self.too_large:
            self.fields = _FIELD_ENDS.split(head)
        self._relaxed: dict[int, bytes] = {}
        self._bodies: dict[str, bytes] = {}
        self._hashes: dict[str, bytes] = {}
        self._places: dict[bytes, list[int]] = {}
        for number, field in enumerate(self.fields):
            name, colon, _ = field.partition(b":")
            if colon:
                self._places.setdefault(name.rstrip(b" \t").lower(), []).append(number)

    def places(self, name: bytes) -> list[int]:
        """Where the fields of a name (lower case) are, from the top."""
        return self._places.get(name, [])

    def field(self, number: int, form: str) -> bytes:
        """One field in a canonical form, without the CRLF."""
        if form == SIMPLE:
            return self.fields[number]
        found = self._relaxed.get(number)
        if found is None:
            found = self._relaxed[number] = relax_field(self.fields[number])
        return found

    def choose(self, names: Iterable[bytes], form: str) -> bytes:
        """The fields named by h= (lower case), from the bottom for each name (RFC 6376 5.4.2).

        A name for which no field is left adds nothing. Each field is taken once at most, so the
        result is never longer than the header.
        """
        left: dict[bytes, int] = {}
        chosen: list[bytes] = []
        for name in names:
            places = self._places.get(name)
            if places is None:
                continue
            number = left.get(name, len(places)) - 1
            if number >= 0:
                left[name] = number
                chosen.append(self.field(places[number], form))
        chosen.append(b"")
        return b"\r\n".join(chosen)

    def body(self, form: str) -> bytes:
        """The body in a canonical form."""
        found = self._bodies.get(form)
        if found is None:
            plain = self._raw[self._start :]
            found = relax_body(plain) if form == RELAXED else simple_body(plain)
            self._bodies[form] = found
        return found

    def body_hash(self, form: str) -> bytes:
        """SHA-256 of the body in a canonical form."""
        found = self._hashes.get(form)
        if found is None:
            found = self._hashes[form] = sha256(self.body(form)).digest()
        return found

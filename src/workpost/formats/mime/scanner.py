"""The offset scanner: where every part of a message begins and ends (RFC 2045, 2046).

One pass per level of nesting with `bytes.find`; nothing is copied and nothing decoded. All work
is bounded, whatever the bytes: depth, parts, header bytes and lines that only look like a
boundary each have a limit, beyond which the rest stays opaque text of the part that holds it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from workpost.formats.mime.headers import (
    MAX_BLOCK,
    MAX_BOUNDARY,
    Fields,
    Parameters,
    collect,
    media_type,
    parameter,
    parameters,
)

MAX_DEPTH = 50
MAX_PARTS = 1_000
MAX_HEADER_BYTES = 512 * 1024
"""Header bytes of all parts together that are interpreted."""
MAX_PASSES = 16
"""How often the whole of a message over 1 MB may be gone through, for parts inside parts."""
MAX_FALSE_BOUNDARIES = 20_000
"""Lines that begin like a boundary and are none, in all, before the search is given up."""

_BLANK_LINE = re.compile(rb"\n\r?\n")
_DEFAULT_CHARSET: Parameters = [(b"charset", b"US-ASCII")]
REMEMBERED = 1_024
REMEMBERED_LENGTH = 100
"""This many Content-Types up to this long are kept read."""

_ENCODING = re.compile(rb"[^\s;\x00-\x1f\"()\\\x7f-\xff]{1,64}")


class Node:
    """One entity: its header is raw[start:body], its body raw[body:end].

    `children` are the parts of a multipart, or the one message inside a message/rfc822.
    Types and encoding are lower case.
    """

    __slots__ = (
        "body",
        "children",
        "encoding",
        "end",
        "fields",
        "major",
        "minor",
        "params",
        "start",
    )

    def __init__(self, start: int, body: int, end: int, fields: Fields) -> None:
        self.start = start
        self.body = body
        self.end = end
        self.fields = fields
        self.major = b"text"
        self.minor = b"plain"
        self.params: Parameters = []
        self.encoding = b"7bit"
        self.children: list[Node] = []

    @property
    def is_multipart(self) -> bool:
        return self.major == b"multipart"

    @property
    def is_message(self) -> bool:
        return self.major == b"message" and self.minor == b"rfc822"


def header_end(raw: bytes, start: int, end: int) -> int:
    """Return the offset of the first byte after the header and its blank line, at most `end`."""
    if raw.startswith((b"\r\n", b"\n"), start, end):
        return raw.index(b"\n", start) + 1
    match = _BLANK_LINE.search(raw, start, end)
    return end if match is None else match.end()


def scan_message(raw: bytes) -> Node:
    """Return the tree of a whole message; never raises, for any bytes."""
    return _Scan(raw).entity(0, len(raw), 0, digest=False)


class _Scan:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parts_left = MAX_PARTS
        self._header_bytes_left = MAX_HEADER_BYTES
        self._false_left = MAX_FALSE_BOUNDARIES
        self._bytes_left = MAX_PASSES * max(len(raw), 1024 * 1024)

    def entity(self, start: int, end: int, depth: int, *, digest: bool) -> Node:
        body = header_end(self._raw, start, end)
        block_end = min(body, start + MAX_BLOCK, start + self._header_bytes_left)
        self._header_bytes_left -= block_end - start
        node = Node(start, body, end, collect(self._raw[start:block_end]))
        self._read_type(node, digest)
        if node.is_multipart:
            self._multipart(node, depth)
        elif node.is_message:
            if self._parts_left > 0 and self._may_descend(node, depth):
                self._parts_left -= 1
                node.children.append(self.entity(node.body, end, depth + 1, digest=False))
            else:
                _make_opaque(node)
        return node

    def _may_descend(self, node: Node, depth: int) -> bool:
        self._bytes_left -= node.end - node.body
        return depth < MAX_DEPTH and self._bytes_left >= 0

    def _read_type(self, node: Node, digest: bool) -> None:
        value = node.fields.get(b"content-type")
        found = _type_of(value) if value else None
        if found is not None:
            node.major, node.minor, node.params = found
        elif digest and value is None:
            node.major, node.minor = b"message", b"rfc822"
        else:
            node.params = _DEFAULT_CHARSET
        encoding = node.fields.get(b"content-transfer-encoding")
        if encoding:
            match = _ENCODING.match(encoding)
            if match is not None:
                node.encoding = match[0].lower()

    def _multipart(self, node: Node, depth: int) -> None:
        boundary = parameter(node.params, b"boundary").rstrip()
        if boundary and len(boundary) <= MAX_BOUNDARY and self._may_descend(node, depth):
            digest = node.minor == b"digest"
            for start, end in self._split(node, b"\n--" + boundary):
                node.children.append(self.entity(start, end, depth + 1, digest=digest))
        if not node.children:
            _make_opaque(node)

    def _split(self, node: Node, needle: bytes) -> list[tuple[int, int]]:
        """Return the offsets of the parts between the delimiter lines of a multipart."""
        raw, limit = self._raw, node.end
        spans: list[tuple[int, int]] = []
        part_start = -1
        # The line end that a delimiter begins with may be that of the header's blank line.
        found = raw.find(needle, max(node.body - 1, node.start), limit)
        while found >= 0:
            after = found + len(needle)
            line_end = raw.find(b"\n", after, limit)
            tail = raw[after : line_end if line_end >= 0 else limit].rstrip(b" \t\r")
            if tail and tail != b"--":
                self._false_left -= 1
                if self._false_left <= 0:
                    break
                found = raw.find(needle, after, limit)
                continue
            if part_start >= 0:
                spans.append((part_start, max(_before_line_end(raw, found), part_start)))
                self._parts_left -= 1
                part_start = -1
            if tail or self._parts_left <= 0:
                return spans
            part_start = line_end + 1 if line_end >= 0 else limit
            found = raw.find(needle, part_start - 1, limit) if line_end >= 0 else -1
        if part_start >= 0 and self._parts_left > 0:
            spans.append((part_start, limit))
            self._parts_left -= 1
        return spans


def _before_line_end(raw: bytes, newline: int) -> int:
    """Return the offset of the CRLF or LF whose LF is at `newline`."""
    return newline - 1 if newline > 0 and raw[newline - 1] == 13 else newline


def _type_of(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    """Major and minor type and parameters of a Content-Type; None where it is none."""
    return _known_type(value) if len(value) <= REMEMBERED_LENGTH else _read_type(value)


def _read_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    found = media_type(value)
    return (*found, parameters(value)) if found is not None else None


# Nearly all messages have one of a few types; nobody changes the parameters of a node.
_known_type = lru_cache(REMEMBERED)(_read_type)


def _make_opaque(node: Node) -> None:
    """Present what cannot be taken apart as the plain text it is to a reader (RFC 2045 5.2)."""
    node.major, node.minor = b"text", b"plain"
    node.params = []

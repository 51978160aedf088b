"""The offset scanner: where every part of a message begins and ends (RFC 2045, 2046).

One pass per level of nesting with `bytes.find`; nothing is copied and nothing decoded. All work
is bounded, whatever the bytes: depth, parts, header bytes and lines that only look like a
boundary each have a limit, beyond which the rest stays opaque text of the part that holds it.
"""

from __future__ import annotations

import re

from workpost.formats.mime.headers import MAX_BLOCK, MAX_BOUNDARY, Fields, collect, parameter
from workpost.formats.mime.media import MESSAGE, OPAQUE, PLAIN, MediaType, read_type

MAX_DEPTH = 50
MAX_PARTS = 1_000
MAX_HEADER_BYTES = 512 * 1024
"""Header bytes of all parts together that are interpreted."""
MAX_PASSES = 16
"""How often the whole of a message over 1 MB may be gone through, for parts inside parts."""
MAX_FALSE_BOUNDARIES = 20_000
"""Lines that begin like a boundary and are none, in all, before the search is given up."""

_BLANK_LINE = re.compile(rb"\n\r?\n")
_ENCODINGS = frozenset((b"7bit", b"8bit", b"quoted-printable", b"base64"))
_ENCODING = re.compile(rb"[^\s;\x00-\x1f\"()\\\x7f-\xff]{1,64}")


class Node:
    """One entity: its header is raw[start:body], its body raw[body:end].

    `children` are the parts of a multipart, or the one message inside a message/rfc822.
    The encoding is lower case, `lines` the line feeds in the body, once they have been counted.
    """

    __slots__ = ("body", "children", "encoding", "end", "fields", "lines", "media", "start")

    def __init__(
        self, start: int, body: int, end: int, fields: Fields, media: MediaType, encoding: bytes
    ) -> None:
        self.start = start
        self.body = body
        self.end = end
        self.fields = fields
        self.media = media
        self.encoding = encoding
        self.children: list[Node] = []
        self.lines: int | None = None


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
        fields = collect(self._raw[start:block_end])
        media = _media(fields.get(b"content-type"), digest)
        encoding = _encoding(fields.get(b"content-transfer-encoding"))
        node = Node(start, body, end, fields, media, encoding)
        if media.is_multipart:
            self._multipart(node, depth)
        elif media.is_message:
            if self._parts_left > 0 and self._may_descend(node, depth):
                self._parts_left -= 1
                node.children.append(self.entity(node.body, end, depth + 1, digest=False))
            else:
                node.media = OPAQUE
        return node

    def _may_descend(self, node: Node, depth: int) -> bool:
        self._bytes_left -= node.end - node.body
        return depth < MAX_DEPTH and self._bytes_left >= 0

    def _multipart(self, node: Node, depth: int) -> None:
        boundary = parameter(node.media.params, b"boundary").rstrip()
        if boundary and len(boundary) <= MAX_BOUNDARY and self._may_descend(node, depth):
            digest = node.media.minor == b"digest"
            for start, end in self._split(node, b"\n--" + boundary):
                node.children.append(self.entity(start, end, depth + 1, digest=digest))
        if not node.children:
            node.media = OPAQUE

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


def _media(value: bytes | None, digest: bool) -> MediaType:
    found = read_type(value) if value else None
    if found is not None:
        return found
    return MESSAGE if digest and value is None else PLAIN


def _encoding(value: bytes | None) -> bytes:
    if not value:
        return b"7bit"
    lower = value.lower()
    if lower in _ENCODINGS:
        return lower
    match = _ENCODING.match(lower)
    return match[0] if match is not None else b"7bit"

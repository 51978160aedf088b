"""What reading a message will cost, told from its first bytes: may it be read on the event loop?

Structure is what makes a message slow: parts within parts, headers of thousands of addresses. One
part of text under a short header costs what its length does.
"""

from __future__ import annotations

import re

SHORT = 8 * 1024
"""Bytes of a header that is looked at; a longer one is for a thread."""
MOST_LINKS = 50
"""Links of a text that is read at once: each of them is taken apart."""

_TYPE = re.compile(rb"(?:\A|\n)content-type[^\n]*")
_ONE_OF_TEXT = re.compile(rb"\n?content-type:[ \t]*(text/[a-z]+)(?:[ \t]*[;\r]|\Z)")
PLAIN = b"text/plain"


def text_type(raw: bytes) -> bytes:
    """The media type, in lower case, of a message that is one part of text under a short header.

    b"" for all others, and for whoever says it in an unusual way.
    """
    end = raw.find(b"\r\n\r\n", 0, SHORT)
    if end < 0:
        return b""
    fields = _TYPE.findall(raw[:end].lower())
    if not fields:
        return PLAIN
    found = _ONE_OF_TEXT.match(fields[0])
    return found[1] if len(fields) == 1 and found is not None else b""


def is_readable(raw: bytes) -> bool:
    """Whether a message of `text_type` text/plain can be read as it stands: ASCII, few links."""
    head = raw[: raw.find(b"\r\n\r\n", 0, SHORT)].lower()
    return (
        raw.isascii()
        and b"base64" not in head
        and b"quoted-printable" not in head
        and raw.count(b"://") <= MOST_LINKS
    )

"""IMAP sections of a stored message as plain slices (RFC 3501 6.4.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from workpost.formats.mime.parts import Part
from workpost.formats.mime.transfer import decode_transfer

MAX_FILTERED = 1024 * 1024
"""Bytes of a header whose fields can be asked for by name; BODY[HEADER] gives all."""

_FOLDED = re.compile(rb"(?:\n[ \t][^\n]*+)*+")


def locate(
    header_end: int, size: int, parts: Sequence[Part], path: str, what: str
) -> tuple[int, int] | None:
    """Return the offsets (start, end) of a section, or None if the message has no such one.

    `path` is the part number, "" for the message itself; `what` is "" (the whole), "HEADER",
    "TEXT" or "MIME". HEADER and TEXT of a numbered part exist for message/rfc822 only; MIME
    needs a number.
    """
    if not path:
        return {"": (0, size), "HEADER": (0, header_end), "TEXT": (header_end, size)}.get(what)
    for part in parts:
        if part.path == path:
            if what == "":
                return part.body_start, part.body_end
            if what == "MIME":
                return part.header_start, part.body_start
            if part.media_type == "message/rfc822":
                if what == "HEADER":
                    return part.body_start, part.text_start
                if what == "TEXT":
                    return part.text_start, part.body_end
            return None
    return None


def filter_header(header: bytes, names: Sequence[bytes], negate: bool = False) -> bytes:
    """Return the fields of `header` that `names` name (HEADER.FIELDS), or all others (.NOT).

    Fields keep their order and their bytes, folding included; names are compared without case.
    The blank line is always there. What lies behind the first MiB of a header is left out.
    """
    lines = _lines(header)
    out: list[bytes] = []
    at = _FOLDED.match(lines).end()  # type: ignore[union-attr]
    for found in _named(tuple(names)).finditer(lines.lower(), at):
        start, end = found.span()
        out.append(lines[at:start] if negate else lines[start:end])
        at = end
    if negate:
        out.append(lines[at:])
    text = b"".join(out)[1:]
    if not text:
        return b"\r\n"
    # The last line of a header that the message ends with may have no line end of its own.
    is_last = (at == len(lines)) is not negate
    ended = not is_last or header[len(lines) - 1 : len(lines)] == b"\n"
    return text + (b"\n\r\n" if ended else b"\r\n\r\n")


def _lines(header: bytes) -> bytes:
    """Return the fields in the first MiB of `header`: each line has its line feed before it."""
    if header.startswith((b"\n", b"\r\n")):
        return b""
    block = header[:MAX_FILTERED]
    ends = [at for at in (block.find(b"\n\r\n"), block.find(b"\n\n")) if at >= 0]
    return b"\n" + (block[: min(ends)] if ends else block.removesuffix(b"\n"))


@lru_cache(maxsize=256)
def _named(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """A pattern that finds whole fields of these names in lines in lower case."""
    choice = b"|".join(re.escape(name.lower()) for name in names if name) or rb"(?!)"
    return re.compile(
        rb"\n(?:" + choice + rb")[ \t\r\x0b\x0c]*+(?::[^\n]*+)?(?![^\n])" + _FOLDED.pattern
    )


def decode_part(raw: bytes, part: Part) -> bytes:
    """Return the body of a part with its transfer encoding undone, as far as it is readable."""
    return decode_transfer(raw[part.body_start : part.body_end], part.encoding)

"""IMAP sections of a stored message as plain slices (RFC 3501 6.4.5)."""

from __future__ import annotations

from collections.abc import Sequence

from workpost.formats.mime.parts import Part
from workpost.formats.mime.transfer import decode_transfer


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
    The blank line is always there.
    """
    wanted = {name.lower() for name in names}
    out: list[bytes] = []
    keep = False
    for line in header.split(b"\n"):
        if not line or line == b"\r":
            break
        if line[0] not in b" \t":
            keep = (line.partition(b":")[0].rstrip().lower() in wanted) is not negate
        if keep:
            out.append(line)
    if not out:
        return b"\r\n"
    text = b"\n".join(out)
    # The last line of a header that the message ends with may have no line end of its own.
    ended = header.endswith(b"\n") or not header.endswith(out[-1])
    return text + (b"\n\r\n" if ended else b"\r\n\r\n")


def decode_part(raw: bytes, part: Part) -> bytes:
    """Return the body of a part with its transfer encoding undone, as far as it is readable."""
    return decode_transfer(raw[part.body_start : part.body_end], part.encoding)

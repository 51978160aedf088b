"""The text that SEARCH looks into: headers and text parts, decoded (RFC 3501 6.4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from workpost.formats.charsets import decode
from workpost.formats.encoded_words import decode_words
from workpost.formats.mime.headers import unfold
from workpost.formats.mime.parts import Part
from workpost.formats.mime.sections import decode_part
from workpost.formats.mime.summary import Summary
from workpost.formats.mime.transfer import html_to_text

MAX_HEADER = 1024 * 1024
"""Bytes of a header that are searched."""


def header_values(header: bytes, name: str | bytes) -> list[str]:
    """Return the decoded values of every field called `name`, in order, unfolded."""
    wanted = (name.encode() if isinstance(name, str) else name).lower()
    return [decode_words(value) for value in header_fields(header).get(wanted, ())]


def header_fields(header: bytes) -> dict[bytes, list[bytes]]:
    """Return the unfolded values of all fields, undecoded, by name in lower case."""
    out: dict[bytes, list[bytes]] = {}
    for line in unfold(header[:MAX_HEADER]).split(b"\n"):
        field, colon, value = line.partition(b":")
        if colon:
            out.setdefault(field.rstrip().lower(), []).append(value)
    return out


def header_text(header: bytes) -> str:
    """Return a header block with its values decoded and unfolded, one field a line."""
    return "\n".join(
        [decode_words(line) for line in unfold(header[:MAX_HEADER]).split(b"\n") if line]
    )


def body_text(raw: bytes, parts: Sequence[Part]) -> str:
    """Return the decoded text of all text parts and the headers of attached messages.

    HTML is reduced to what a reader sees. Attachments that are not text are left out.
    """
    out: list[str] = []
    for part in parts:
        if part.media_type == "message/rfc822":
            out.append(header_text(raw[part.body_start : part.text_start]))
        elif part.media_type.startswith("text/"):
            text = decode(decode_part(raw, part), part.charset)
            out.append(html_to_text(text) if part.media_type == "text/html" else text)
    return "\n".join(out)


def search_text(raw: bytes, summary: Summary) -> str:
    """Return all that SEARCH TEXT looks into: the header, a line feed, the body's text."""
    return f"{header_text(raw[: summary.header_end])}\n{body_text(raw, summary.parts)}"

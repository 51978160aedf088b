"""Content transfer encodings and the text inside HTML, both tolerant and linear."""

from __future__ import annotations

import binascii
import html
import re

from workpost.formats.encoded_words import decode_base64

_MARKUP = re.compile(r"<(?:/?[A-Za-z]|[!?])")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*+)")
_UNSEEN = {
    name: re.compile(rf"</{name}\b", re.IGNORECASE)
    for name in ("style", "script", "head", "title", "template")
}
_INLINE = frozenset(("a", "b", "i", "u", "em", "strong", "span", "font", "code", "small", "wbr"))


def decode_transfer(data: bytes, encoding: str) -> bytes:
    """Undo base64 or quoted-printable (RFC 2045 6); other encodings give `data` itself."""
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    return data


def html_to_text(source: str, limit: int | None = None) -> str:
    """Return the words a reader of the HTML `source` sees, white space collapsed.

    With `limit`, stops soon after so many characters. Never raises, never searches twice.
    """
    out: list[str] = []
    gathered = position = 0
    while position < len(source) and (limit is None or gathered < limit):
        markup = _MARKUP.search(source, position)
        if markup is None:
            out.append(source[position:])
            break
        opening = markup.start()
        if opening > position:
            chunk = source[position:opening]
            out.append(chunk)
            gathered += len(chunk) if limit is None else len(chunk.strip())
        position = _after_tag(source, opening, out)
    return " ".join(html.unescape("".join(out)).split())


def _after_tag(source: str, opening: int, out: list[str]) -> int:
    """Return the offset behind the tag, comment or unseen element that starts at `opening`."""
    end = len(source)
    if source.startswith("<!--", opening):
        closing = source.find("-->", opening + 4)
        return closing + 3 if closing >= 0 else end
    match = _TAG.match(source, opening)
    name = match[1].lower() if match is not None else ""
    if match is not None and name in _UNSEEN and source[opening + 1] != "/":
        finish = _UNSEEN[name].search(source, match.end())
        if finish is None:
            return end
        opening = finish.start()
    elif name and name not in _INLINE:
        out.append(" ")
    closing = source.find(">", opening)
    return closing + 1 if closing >= 0 else end

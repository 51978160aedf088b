"""Header text: encoded words (RFC 2047) and raw 8-bit values, to str. Linear, never raises."""

from __future__ import annotations

import binascii
import re

from workpost.formats.charsets import decode

_WORD = re.compile(rb"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([BbQq])\?([^?]*+)\?=")
_BASE64_JUNK = bytes(
    c for c in range(256)
    if c not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)  # fmt: skip
# Control characters, and the marks that reorder text on a screen to disguise a sender.
_UNSAFE: dict[int, str | None] = {
    **dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029), " "),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def decode_words(value: bytes) -> str:
    """Return an unfolded header value as text.

    Adjacent encoded words of one charset are joined before decoding, since senders split
    characters between them. What looks like an encoded word and is none stays as it is. Control
    characters become spaces: the result can be put into a line of any protocol.
    """
    return _safe(_decode(value) if b"=?" in value else decode(value))


def decode_words_in(text: str) -> str:
    """Return what `decode_words` makes of the UTF-8 of `text`, which holds no lone surrogates."""
    return decode_words(text.encode()) if "=?" in text else _safe(text)


def _safe(text: str) -> str:
    # All that is unsafe is unprintable, and hardly any text has something unprintable.
    if not text.isprintable() and _CONTROL.search(text):
        text = text.translate(_UNSAFE)
    return text.strip()


def _decode(value: bytes) -> str:
    out: list[str] = []
    run: list[bytes] = []
    run_charset = ""
    position = 0
    for match in _WORD.finditer(value):
        gap = value[position : match.start()]
        charset = match[1].decode("ascii").lower()
        # White space between two encoded words is no part of the text (RFC 2047 6.2).
        if run and (gap.strip() or charset != run_charset):
            out.append(decode(b"".join(run), run_charset))
            run.clear()
            if gap.strip():
                out.append(decode(gap))
        elif gap and not run and (gap.strip() or position == 0):
            out.append(decode(gap))
        run.append(_unpack(match[2], match[3]))
        run_charset = charset
        position = match.end()
    if run:
        out.append(decode(b"".join(run), run_charset))
    out.append(decode(value[position:]))
    return "".join(out)


def _unpack(kind: bytes, data: bytes) -> bytes:
    if kind in b"Qq":
        return binascii.a2b_qp(data, header=True)
    return decode_base64(data)


def decode_base64(data: bytes) -> bytes:
    """Return what can be read of base64 `data`; junk and missing padding are tolerated."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        kept = data.translate(None, _BASE64_JUNK)
        surplus = len(kept) % 4
        if surplus == 1:
            kept = kept[:-1]
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))

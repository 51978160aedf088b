"""Modified UTF-7, the encoding of mailbox names (RFC 3501 section 5.1.3)."""

from __future__ import annotations

import binascii
import re

from workpost.protocols.imap.wire.errors import WireError

_PLAIN = re.compile(rb"[\x20-\x7e]*\Z")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def encode(name: str) -> bytes:
    """Return `name` in modified UTF-7. Raises UnicodeEncodeError on lone surrogates."""
    escaped = name.replace("&", "&-")
    return _UNPRINTABLE.sub(_shift, escaped).encode("ascii")


def decode(name: bytes) -> str:
    """Return the text of a modified UTF-7 name.

    Printable ASCII that was needlessly shifted is accepted, so names compare equal by text.
    Raises WireError when the bytes are no modified UTF-7.
    """
    if not _PLAIN.match(name):
        raise WireError("Mailbox name is not modified UTF-7")
    if b"&" not in name:
        return name.decode("ascii")
    head, *shifted = name.split(b"&")
    pieces = [head.decode("ascii")]
    for piece in shifted:
        encoded, dash, plain = piece.partition(b"-")
        if not dash:
            raise WireError("Mailbox name has an unfinished shift")
        pieces.append(_unshift(encoded) if encoded else "&")
        pieces.append(plain.decode("ascii"))
    return "".join(pieces)


def _shift(match: re.Match[str]) -> str:
    raw = match[0].encode("utf-16-be")
    encoded = binascii.b2a_base64(raw, newline=False).rstrip(b"=").replace(b"/", b",")
    return "&" + encoded.decode("ascii") + "-"


def _unshift(encoded: bytes) -> str:
    if b"/" in encoded or b"=" in encoded:
        raise WireError("Mailbox name has a wrong shift")
    padded = encoded.replace(b",", b"/") + b"=" * (-len(encoded) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except ValueError:
        raise WireError("Mailbox name has a wrong shift") from None

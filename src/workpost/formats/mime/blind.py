"""Blind copies: who is named in Bcc is told to nobody else (RFC 5322 3.6.3)."""

from __future__ import annotations

import re

from workpost.formats.mime.scanner import header_end

_BLIND = re.compile(
    rb"^(?:resent-)?bcc[ \t]*:[^\n]*(?:\n|\Z)(?:[ \t][^\n]*(?:\n|\Z))*",
    re.MULTILINE | re.IGNORECASE,
)


def drop_blind_copies(raw: bytes) -> bytes:
    """The message without Bcc and Resent-Bcc in its header, however long that is.

    Where there are none it is the very same object.
    """
    end = header_end(raw, 0, len(raw))
    kept = _BLIND.sub(b"", raw[:end])
    return raw if len(kept) == end else kept + raw[end:]

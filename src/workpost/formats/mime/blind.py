"""Blind copies: who is named in Bcc is told to nobody else (RFC 5322 3.6.3)."""

from __future__ import annotations

import re

_BLIND = re.compile(
    rb"^(?:resent-)?bcc[ \t]*:[^\n]*(?:\n|\Z)(?:[ \t][^\n]*(?:\n|\Z))*",
    re.MULTILINE | re.IGNORECASE,
)


def drop_blind_copies(raw: bytes, header: int) -> bytes:
    """The message without Bcc and Resent-Bcc; `header` is how many of its bytes are searched.

    Where there are none it is the very same object.
    """
    kept = _BLIND.sub(b"", raw[:header])
    return raw if len(kept) == header else kept + raw[header:]

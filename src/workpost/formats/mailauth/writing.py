"""Writing signature fields: lines of at most 78 characters, folded where white space may stand."""

from __future__ import annotations

import base64
from collections.abc import Sequence

_WIDTH = 76


def fold_names(names: Sequence[bytes]) -> bytes:
    """The value of h=, folded after colons."""
    lines: list[bytes] = []
    line = b"h="
    for number, name in enumerate(names):
        part = name if number == len(names) - 1 else name + b":"
        if len(line) + len(part) > _WIDTH - 1:
            lines.append(line)
            line = b" "
        line += part
    lines.append(line)
    return b"\r\n\t".join(lines)


def signed_tags(names: bytes, body_hash: bytes) -> bytes:
    """h= (`fold_names`), bh= and the empty b=, where a signature field ends."""
    return b"\t" + names + b";\r\n\tbh=" + base64.b64encode(body_hash) + b";\r\n\tb="


def finish_field(head: bytes, value: bytes) -> bytes:
    """The field with its signature, folded, and its CRLF."""
    text = base64.b64encode(value)
    lines = [text[at : at + _WIDTH - 4] for at in range(0, len(text), _WIDTH - 4)]
    return head + b"\r\n\t ".join(lines) + b"\r\n"

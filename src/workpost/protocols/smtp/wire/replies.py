"""Replies: RFC 5321 4.2 with the enhanced status codes of RFC 2034 and RFC 3463.

Text is printable ASCII whatever it is made from, so nothing that a client sent or a database holds
can break a line or start another reply. Lines stay within the 512 octets of RFC 5321 4.5.3.1.5.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

MAX_REPLY_LINE = 512
_UNPRINTABLE = re.compile(r"[^ -~]")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def reply(code: int, status: str, text: str) -> bytes:
    """One reply with its enhanced status code on each line; ``\\n`` in the text starts a line.

    Raises ValueError where code and status do not belong together (RFC 3463 2).
    """
    start = _start(code, status)
    if text.isascii() and text.isprintable() and len(start) + len(text) + 2 <= MAX_REPLY_LINE:
        return f"{start}{text}\r\n".encode("ascii")
    return _assemble(code, f"{status} ", text.split("\n"))


@lru_cache(256)
def _start(code: int, status: str) -> str:
    if not 200 <= code <= 599 or not _STATUS.fullmatch(status) or int(status[0]) != code // 100:
        raise ValueError(f"reply {code} {status} is not one of RFC 3463")
    return f"{code} {status} "


def plain_reply(code: int, lines: Iterable[str]) -> bytes:
    """A reply without enhanced code: greeting, answers to EHLO, 334 and 354 (RFC 2034 3 and 4)."""
    return _assemble(code, "", lines)


def _assemble(code: int, prefix: str, lines: Iterable[str]) -> bytes:
    room = MAX_REPLY_LINE - len("250-\r\n") - len(prefix)
    pieces = [piece for line in lines for piece in _pieces(_UNPRINTABLE.sub("?", line), room)]
    last = len(pieces) - 1
    return "".join(
        f"{code}{' ' if number == last else '-'}{prefix}{piece}\r\n"
        for number, piece in enumerate(pieces)
    ).encode("ascii")


def _pieces(line: str, room: int) -> list[str]:
    return [line[at : at + room] for at in range(0, len(line), room)] or [""]

"""Writing answers (RFC 3501 section 9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from workpost.protocols.imap.wire import utf7

_LONGEST_QUOTED = 1_000
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*\Z")
_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+\Z")

SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
"""The system flags, in the order in which answers list them."""


def quoted(value: bytes) -> bytes:
    """Write a quoted string. The value must have no NUL, CR, LF and no byte above 0x7f."""
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def literal(value: bytes) -> bytes:
    """Write a literal, which can hold any bytes."""
    return b"{%d}\r\n%b" % (len(value), value)


def string(value: bytes) -> bytes:
    """Write a string: quoted where that is possible and short, else a literal."""
    if len(value) <= _LONGEST_QUOTED and _QUOTABLE.match(value):
        return quoted(value)
    return literal(value)


def nstring(value: bytes | None) -> bytes:
    """Write NIL for None, else a string."""
    return b"NIL" if value is None else string(value)


def astring(value: bytes) -> bytes:
    """Write an atom where possible, else a string. NIL is quoted, to be no nil."""
    if _ATOM.match(value) and value.upper() != b"NIL":
        return value
    return string(value)


def mailbox(name: str) -> bytes:
    """Write a mailbox name in modified UTF-7, always quoted unless it is a plain atom."""
    return astring(utf7.encode(name))


def parenthesized(values: Iterable[bytes]) -> bytes:
    """Write values as a list in parentheses."""
    return b"(" + b" ".join(values) + b")"


def flag_list(flags: Iterable[str]) -> bytes:
    """Write flags as a list in parentheses."""
    return parenthesized([flag.encode("ascii") for flag in flags])


@lru_cache(maxsize=1_024)
def joined_flags(bits: int, keywords: tuple[str, ...] = ()) -> bytes:
    """Write flags without parentheses; bit n of `bits` is SYSTEM_FLAGS[n].

    Cached, since a folder knows few combinations.
    """
    names = [flag for place, flag in enumerate(SYSTEM_FLAGS) if bits >> place & 1]
    return " ".join([*names, *keywords]).encode("ascii")


def status_line(tag: bytes, status: str, text: str, code: str = "") -> bytes:
    """Write a tagged or, with tag `*`, untagged status answer; `code` is without brackets."""
    shown = f"{status} [{code}] {text}" if code else f"{status} {text}"
    return b"%b %b\r\n" % (tag, shown.encode("utf-8", "replace"))


def untagged(data: bytes) -> bytes:
    """Write `data` as an untagged answer."""
    return b"* %b\r\n" % data


def continuation(text: bytes = b"") -> bytes:
    """Write the answer that asks the client to go on."""
    return b"+ %b\r\n" % text


FETCH_FLAGS = b"* %d FETCH (UID %d FLAGS (%b))\r\n"
"""A FETCH answer of number, uid and joined flags."""

FETCH_FLAGS_MODSEQ = b"* %d FETCH (UID %d FLAGS (%b) MODSEQ (%d))\r\n"
"""A FETCH answer of number, uid, joined flags and modification sequence."""

_FETCH_FORMATS = {
    "UID": b"UID %d",
    "FLAGS": b"FLAGS (%b)",
    "INTERNALDATE": b"INTERNALDATE %b",
    "RFC822.SIZE": b"RFC822.SIZE %d",
    "ENVELOPE": b"ENVELOPE %b",
    "BODY": b"BODY %b",
    "BODYSTRUCTURE": b"BODYSTRUCTURE %b",
    "MODSEQ": b"MODSEQ (%d)",
}


def fetch_format(attributes: Sequence[str]) -> bytes:
    """Return the format of a FETCH answer: its values are the number, then each attribute's.

    UID, RFC822.SIZE and MODSEQ take integers; FLAGS joined flags; the others written bytes.
    """
    items = b" ".join([_FETCH_FORMATS[name] for name in attributes])
    return b"* %d FETCH (" + items + b")\r\n"


def fetch_lines(template: bytes, rows: Iterable[tuple[int | bytes, ...]]) -> bytes:
    """Write one FETCH answer a row with a format of `fetch_format`; made for 500 rows a call."""
    return b"".join([template % row for row in rows])


def search_answer(numbers: Sequence[int], modseq: int | None = None) -> bytes:
    """Write the SEARCH answer, with the highest MODSEQ of what was found (RFC 7162 3.1.5)."""
    found = b"".join([b" %d" % number for number in numbers])
    tail = b" (MODSEQ %d)" % modseq if modseq is not None and numbers else b""
    return b"* SEARCH" + found + tail + b"\r\n"

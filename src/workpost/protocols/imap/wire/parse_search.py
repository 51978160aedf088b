"""The arguments of SEARCH (RFC 3501 section 6.4.4, RFC 5032 WITHIN, RFC 7162 section 3.1.5)."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from workpost.protocols.imap.wire.commands import Search, SearchKey
from workpost.protocols.imap.wire.dates import read_date
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.tokens import Cursor

MAX_DEPTH = 32
MAX_KEYS = 2_000

_CHARSETS = frozenset(
    {"ascii", "utf-8", "utf-7", "utf-16", "iso8859-1", "iso8859-2", "iso8859-15", "cp1250"}
    | {"cp1251", "cp1252", "koi8-r", "iso2022_jp", "shift_jis", "euc_jp", "gb18030", "gb2312"}
    | {"gbk", "big5", "euc_kr", "windows-874"}
)
_FLAGS = {
    b"ANSWERED": "\\Answered",
    b"DELETED": "\\Deleted",
    b"DRAFT": "\\Draft",
    b"FLAGGED": "\\Flagged",
    b"SEEN": "\\Seen",
}
_STRINGS = frozenset({b"BCC", b"CC", b"FROM", b"SUBJECT", b"TO", b"BODY", b"TEXT"})
_DATES = frozenset({b"BEFORE", b"ON", b"SINCE", b"SENTBEFORE", b"SENTON", b"SENTSINCE"})
_NUMBERS = frozenset({b"LARGER", b"SMALLER", b"OLDER", b"YOUNGER"})
_ENTRY_TYPES = frozenset({"PRIV", "SHARED", "ALL"})


def parse_search(tag: bytes, cursor: Cursor, uid: bool) -> Search:
    """Parse what follows SEARCH. Unknown charsets raise WireError with BADCHARSET."""
    cursor.space()
    charset = "utf-8"
    if cursor.accept(b"CHARSET "):
        charset = _charset(cursor.astring())
        cursor.space()
    reader = _Reader(cursor, charset)
    key = reader.keys(0)
    cursor.end()
    return Search(tag, uid, key, reader.modseq)


class _Reader:
    """Reads keys, and counts them and their depth."""

    __slots__ = ("_charset", "_count", "_cursor", "modseq")

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self._cursor = cursor
        self._charset = charset
        self._count = 0
        self.modseq = False

    def keys(self, depth: int) -> SearchKey:
        """Read one key or more, which must all hold."""
        found = [self._key(depth)]
        while self._cursor.accept(b" "):
            found.append(self._key(depth))
        return found[0] if len(found) == 1 else ("AND", tuple(found))

    def _key(self, depth: int) -> SearchKey:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_KEYS:
            raise WireError("Search too complex", status="NO", code="LIMIT")
        cursor = self._cursor
        if cursor.accept(b"("):
            key = self.keys(depth + 1)
            cursor.expect(b")")
            return key
        following = cursor.text[cursor.position : cursor.position + 1]
        if following.isdigit() or following == b"*":
            return ("SET", cursor.sequence_set())
        name = cursor.atom().upper()
        if name == b"NOT":
            cursor.space()
            return ("NOT", self._key(depth + 1))
        if name == b"OR":
            cursor.space()
            first = self._key(depth + 1)
            cursor.space()
            return ("OR", first, self._key(depth + 1))
        return self._plain(name)

    def _plain(self, name: bytes) -> SearchKey:
        fixed = _FIXED.get(name)
        if fixed is not None:
            return fixed
        cursor = self._cursor
        cursor.space()
        label = name.decode("ascii")
        if name in _STRINGS:
            return (label, self._text())
        if name in _DATES:
            return (label, read_date(cursor))
        if name in _NUMBERS:
            return (label, cursor.number())
        read = _OTHERS.get(name)
        if read is None:
            raise WireError("Unknown search key")
        return read(self)

    def _header(self) -> SearchKey:
        name = self._cursor.astring()
        if not name.isascii():
            raise WireError("Header name is not ASCII")
        self._cursor.space()
        return ("HEADER", name.decode("ascii"), self._text())

    def _keyword(self, wanted: bool) -> SearchKey:
        return ("FLAG", self._cursor.atom().decode("ascii"), wanted)

    def _modseq(self) -> SearchKey:
        cursor = self._cursor
        if cursor.looking_at(b'"'):
            cursor.string()
            cursor.space()
            if cursor.word() not in _ENTRY_TYPES:
                raise WireError("Unknown entry type")
            cursor.space()
        self.modseq = True
        return ("MODSEQ", cursor.modseq())

    def _uid(self) -> SearchKey:
        return ("UID", self._cursor.sequence_set())

    def _text(self) -> str:
        try:
            return self._cursor.astring().decode(self._charset)
        except UnicodeError:
            raise WireError("Search text does not fit its charset") from None


_FIXED: dict[bytes, SearchKey] = {
    b"ALL": ("ALL",),
    b"NEW": ("AND", (("RECENT", True), ("FLAG", "\\Seen", False))),
    b"RECENT": ("RECENT", True),
    b"OLD": ("RECENT", False),
}
for _name, _flag in _FLAGS.items():
    _FIXED[_name] = ("FLAG", _flag, True)
    _FIXED[b"UN" + _name] = ("FLAG", _flag, False)

_OTHERS: dict[bytes, Callable[[_Reader], SearchKey]] = {
    b"HEADER": _Reader._header,
    b"KEYWORD": lambda reader: reader._keyword(True),
    b"UNKEYWORD": lambda reader: reader._keyword(False),
    b"MODSEQ": _Reader._modseq,
    b"UID": _Reader._uid,
}


def _charset(name: bytes) -> str:
    try:
        canonical = codecs.lookup(name.decode("ascii")).name
    except (LookupError, ValueError):
        canonical = ""
    if canonical not in _CHARSETS:
        raise WireError("Unknown charset", status="NO", code="BADCHARSET (UTF-8 US-ASCII)")
    # US-ASCII is what clients declare who then send UTF-8; UTF-8 reads both.
    return "utf-8" if canonical == "ascii" else canonical

"""The arguments of FETCH and STORE (RFC 3501 sections 6.4.5 and 6.4.6, RFC 7162)."""

from __future__ import annotations

import re
from typing import Literal, cast

from workpost.protocols.imap.wire.commands import Attribute, Fetch, Section, Store
from workpost.protocols.imap.wire.encoder import astring
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.sequence import MAX_NUMBER
from workpost.protocols.imap.wire.tokens import Cursor, unique

MAX_SECTIONS = 200
MAX_FIELDS = 200
MAX_PART_DEPTH = 100

_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_PART = re.compile(rb"[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,8})*")
_ATTRIBUTES = frozenset(
    {"UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ"}
)
_FAST: tuple[Attribute, ...] = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MACROS: dict[str, tuple[Attribute, ...]] = {
    "FAST": _FAST,
    "ALL": (*_FAST, "ENVELOPE"),
    "FULL": (*_FAST, "ENVELOPE", "BODY"),
}
_WHOLE = {
    "RFC822": Section(b"RFC822"),
    "RFC822.HEADER": Section(b"RFC822.HEADER", what="HEADER", peek=True),
    "RFC822.TEXT": Section(b"RFC822.TEXT", what="TEXT"),
}
_MODES: dict[bytes, Literal["replace", "add", "remove"]] = {
    b"+": "add",
    b"-": "remove",
}


def parse_fetch(tag: bytes, cursor: Cursor, uid: bool) -> Fetch:
    """Parse what follows FETCH."""
    cursor.space()
    numbers = cursor.sequence_set()
    cursor.space()
    items = _Items()
    if cursor.accept(b"("):
        items.read(cursor)
        while cursor.accept(b" "):
            items.read(cursor)
        cursor.expect(b")")
    else:
        items.read(cursor, macros=True)
    changed_since, vanished = _fetch_modifiers(cursor)
    cursor.end()
    if vanished and (changed_since is None or not uid):
        raise WireError("VANISHED needs UID FETCH and CHANGEDSINCE")
    return Fetch(
        tag, uid, numbers, tuple(items.attributes), tuple(items.sections), changed_since, vanished
    )


def parse_store(tag: bytes, cursor: Cursor, uid: bool) -> Store:
    """Parse what follows STORE."""
    cursor.space()
    numbers = cursor.sequence_set()
    cursor.space()
    unchanged_since = None
    if cursor.accept(b"(UNCHANGEDSINCE "):
        unchanged_since = cursor.modseq()
        cursor.expect(b") ")
    sign = cursor.text[cursor.position : cursor.position + 1]
    mode = _MODES.get(sign, "replace")
    if sign in _MODES:
        cursor.position += 1
    cursor.expect(b"FLAGS")
    silent = cursor.accept(b".SILENT")
    cursor.space()
    if cursor.looking_at(b"("):
        flags = cursor.flag_list()
    else:
        plain = [cursor.flag()]
        while cursor.accept(b" "):
            plain.append(cursor.flag())
        flags = unique(plain)
    cursor.end()
    return Store(tag, uid, numbers, mode, silent, flags, unchanged_since)


def _fetch_modifiers(cursor: Cursor) -> tuple[int | None, bool]:
    changed_since, vanished = None, False
    if not cursor.accept(b" ("):
        return changed_since, vanished
    while True:
        name = cursor.word()
        if name == "CHANGEDSINCE" and changed_since is None:
            cursor.space()
            changed_since = cursor.modseq()
        elif name == "VANISHED" and not vanished:
            vanished = True
        else:
            raise WireError("Unknown FETCH modifier")
        if not cursor.accept(b" "):
            break
    cursor.expect(b")")
    return changed_since, vanished


class _Items:
    """The attributes and sections of one FETCH, each once."""

    __slots__ = ("attributes", "sections")

    def __init__(self) -> None:
        self.attributes: list[Attribute] = []
        self.sections: list[Section] = []

    def read(self, cursor: Cursor, *, macros: bool = False) -> None:
        """Read one attribute, section or, if allowed, macro."""
        name = cursor.match(_ITEM, "FETCH item")[0].decode("ascii").upper()
        if name in ("BODY", "BODY.PEEK") and cursor.accept(b"["):
            self._add_section(_section(cursor, peek=name == "BODY.PEEK"))
        elif name in _ATTRIBUTES:
            self._add((cast(Attribute, name),))
        elif name in _WHOLE:
            self._add_section(_WHOLE[name])
        elif macros and name in _MACROS:
            self._add(_MACROS[name])
        else:
            raise WireError("Unknown FETCH item")

    def _add(self, names: tuple[Attribute, ...]) -> None:
        self.attributes.extend(name for name in names if name not in self.attributes)

    def _add_section(self, section: Section) -> None:
        if len(self.sections) >= MAX_SECTIONS:
            raise WireError("Too many sections", status="NO", code="LIMIT")
        if section not in self.sections:
            self.sections.append(section)


def _section(cursor: Cursor, peek: bool) -> Section:
    part: tuple[int, ...] = ()
    what = ""
    fields: tuple[bytes, ...] = ()
    found = _PART.match(cursor.text, cursor.position)
    if found is not None:
        cursor.position = found.end()
        part = tuple(map(int, found[0].split(b".")))
        if len(part) > MAX_PART_DEPTH:
            raise WireError("Part number too deep")
    if not cursor.looking_at(b"]") and (not part or cursor.accept(b".")):
        what, fields = _section_text(cursor, bool(part))
    cursor.expect(b"]")
    partial = _partial(cursor)
    return Section(_label(part, what, fields, partial), part, what, fields, partial, peek)


def _section_text(cursor: Cursor, in_part: bool) -> tuple[str, tuple[bytes, ...]]:
    what = cursor.match(_ITEM, "section")[0].decode("ascii").upper()
    if what in ("HEADER", "TEXT") or (in_part and what == "MIME"):
        return what, ()
    if what not in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        raise WireError("Unknown section")
    cursor.expect(b" (")
    fields = [cursor.astring()]
    while cursor.accept(b" "):
        fields.append(cursor.astring())
        if len(fields) > MAX_FIELDS:
            raise WireError("Too many header fields", status="NO", code="LIMIT")
    cursor.expect(b")")
    return what, tuple(fields)


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    if not cursor.accept(b"<"):
        return None
    first = cursor.number(MAX_NUMBER)
    cursor.expect(b".")
    length = cursor.number(MAX_NUMBER)
    cursor.expect(b">")
    if not length:
        raise WireError("Partial length must not be zero")
    return first, length


def _label(
    part: tuple[int, ...], what: str, fields: tuple[bytes, ...], partial: tuple[int, int] | None
) -> bytes:
    section = b".".join([b"%d" % number for number in part] + ([what.encode()] if what else []))
    if fields:
        section += b" (" + b" ".join(map(astring, fields)) + b")"
    origin = b"<%d>" % partial[0] if partial else b""
    return b"BODY[" + section + b"]" + origin

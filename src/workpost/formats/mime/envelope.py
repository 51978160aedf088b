"""The IMAP ENVELOPE (RFC 3501 7.4.2), ready to send."""

from __future__ import annotations

from functools import lru_cache

from workpost.formats.address_syntax import Mailbox, scan
from workpost.formats.addresses import decode_entries
from workpost.formats.mime.headers import Fields
from workpost.formats.mime.wire import NIL, nstring, string

REMEMBERED = 4_096
REMEMBERED_LENGTH = 160
"""People write to the same people: this many address fields up to this long are kept read."""


class AddressField:
    """One address field: as IMAP shows it, and decoded when asked for."""

    __slots__ = ("_decoded", "_entries", "wire")

    def __init__(self, value: bytes) -> None:
        self._entries = scan(value.decode("latin-1"))
        self._decoded: tuple[tuple[str, str], ...] | None = None
        self.wire = _address_list(self._entries)

    @property
    def decoded(self) -> tuple[tuple[str, str], ...]:
        """(display name, address) pairs."""
        if self._decoded is None:
            self._decoded = decode_entries(self._entries)
        return self._decoded


_remembered = lru_cache(REMEMBERED)(AddressField)


class Correspondents:
    """The address fields of one header, read once; sender and reply-to default to from."""

    __slots__ = ("bcc", "cc", "from_", "reply_to", "sender", "to")

    def __init__(self, fields: Fields) -> None:
        self.from_ = _read(fields, b"from")
        self.sender = _read(fields, b"sender") or self.from_
        self.reply_to = _read(fields, b"reply-to") or self.from_
        self.to = _read(fields, b"to")
        self.cc = _read(fields, b"cc")
        self.bcc = _read(fields, b"bcc")


def _read(fields: Fields, name: bytes) -> AddressField | None:
    value = fields.get(name)
    if not value:
        return None
    field = _remembered(value) if len(value) <= REMEMBERED_LENGTH else AddressField(value)
    return field if field.wire != NIL else None


def decoded(field: AddressField | None) -> tuple[tuple[str, str], ...]:
    """The (display name, address) pairs of a field that may be missing."""
    return field.decoded if field is not None else ()


def _wire(field: AddressField | None) -> bytes:
    return field.wire if field is not None else NIL


def envelope(fields: Fields, people: Correspondents) -> bytes:
    """Return the parenthesised list, values as they stand in the header, encoded words kept."""
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(fields.get(b"date")),
        nstring(fields.get(b"subject")),
        _wire(people.from_),
        _wire(people.sender),
        _wire(people.reply_to),
        _wire(people.to),
        _wire(people.cc),
        _wire(people.bcc),
        nstring(fields.get(b"in-reply-to") or None),
        nstring(fields.get(b"message-id") or None),
    )


def _address_list(entries: list[Mailbox]) -> bytes:
    if not entries:
        return NIL
    out = []
    for entry in entries:
        name, route, local, domain = entry
        if route is None and local is not None and domain is not None:
            # Nearly all addresses need no escape: one look at the three strings together.
            text = f"{name}{local}{domain}" if name else local + domain
            if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
                quoted = f'"{name}"' if name else "NIL"
                out.append(f'({quoted} NIL "{local}" "{domain}")')
                continue
        out.append(f"({' '.join(map(_nstring, entry))})")
    return f"({''.join(out)})".encode("latin-1")


def _nstring(value: str | None) -> str:
    return "NIL" if value is None else string(value.encode("latin-1")).decode("latin-1")

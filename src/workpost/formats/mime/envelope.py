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
    """One address field: as IMAP shows it, and as (display name, address) pairs."""

    __slots__ = ("decoded", "wire")

    def __init__(self, value: bytes) -> None:
        entries = scan(value.decode("latin-1"))
        self.wire = _address_list(entries)
        self.decoded: tuple[tuple[str, str], ...] = decode_entries(entries)


_remembered = lru_cache(REMEMBERED)(AddressField)


class Correspondents:
    """The address fields of one header, read once; sender and reply-to default to from."""

    __slots__ = ("bcc", "cc", "from_", "reply_to", "sender", "to")

    def __init__(self, fields: Fields) -> None:
        get = fields.get
        self.from_ = _read(get(b"from")) or _NOBODY
        self.sender = _read(get(b"sender")) or self.from_
        self.reply_to = _read(get(b"reply-to")) or self.from_
        self.to = _read(get(b"to")) or _NOBODY
        self.cc = _read(get(b"cc")) or _NOBODY
        self.bcc = _read(get(b"bcc")) or _NOBODY


def _read(value: bytes | None) -> AddressField | None:
    if not value:
        return None
    field = _remembered(value) if len(value) <= REMEMBERED_LENGTH else AddressField(value)
    return field if field.wire != NIL else None


def envelope(fields: Fields, people: Correspondents) -> bytes:
    """Return the parenthesised list, values as they stand in the header, encoded words kept."""
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(fields.get(b"date")),
        nstring(fields.get(b"subject")),
        people.from_.wire,
        people.sender.wire,
        people.reply_to.wire,
        people.to.wire,
        people.cc.wire,
        people.bcc.wire,
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


_NOBODY = AddressField(b"")
"""A field that is missing or names nobody."""

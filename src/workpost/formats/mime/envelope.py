"""The IMAP ENVELOPE (RFC 3501 7.4.2), ready to send."""

from __future__ import annotations

from workpost.formats.address_syntax import Mailbox, scan
from workpost.formats.mime.headers import Fields
from workpost.formats.mime.wire import NIL, nstring, string

_NONE: list[Mailbox] = []


class Correspondents:
    """The address fields of one header, scanned once; sender and reply-to default to from."""

    __slots__ = ("bcc", "cc", "from_", "reply_to", "sender", "to")

    def __init__(self, fields: Fields) -> None:
        self.from_ = _entries(fields, b"from")
        self.sender = _entries(fields, b"sender") or self.from_
        self.reply_to = _entries(fields, b"reply-to") or self.from_
        self.to = _entries(fields, b"to")
        self.cc = _entries(fields, b"cc")
        self.bcc = _entries(fields, b"bcc")


def _entries(fields: Fields, name: bytes) -> list[Mailbox]:
    value = fields.get(name)
    return scan(value.decode("latin-1")) if value else _NONE


def envelope(fields: Fields, people: Correspondents) -> bytes:
    """Return the parenthesised list, values as they stand in the header, encoded words kept."""
    from_ = _address_list(people.from_)
    sender = from_ if people.sender is people.from_ else _address_list(people.sender)
    reply_to = from_ if people.reply_to is people.from_ else _address_list(people.reply_to)
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(fields.get(b"date")),
        nstring(fields.get(b"subject")),
        from_,
        sender,
        reply_to,
        _address_list(people.to),
        _address_list(people.cc),
        _address_list(people.bcc),
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

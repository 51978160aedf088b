"""What is asked for often about a message, derived once before delivery.

`summarize` reads the MIME structure; the result travels as one packed value (sealed by the
store) whose wire strings are sliced out without decoding the rest.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec
from msgspec.structs import astuple

from workpost.formats.charsets import decode
from workpost.formats.dates import parse_date
from workpost.formats.encoded_words import decode_words, decode_words_in
from workpost.formats.mime.bodystructure import structures
from workpost.formats.mime.envelope import Correspondents, envelope
from workpost.formats.mime.headers import message_ids
from workpost.formats.mime.parts import Part, PartTable
from workpost.formats.mime.scanner import Node, scan_message
from workpost.formats.mime.transfer import decode_transfer, html_to_text

PREVIEW_LENGTH = 200
MAX_REFERENCES = 100
_PREVIEW_SOURCE = 1_000
_PREVIEW_FIRST = 250
"""Characters that are enough where words stand apart by single spaces."""
_PREVIEW_HTML_SOURCE = 64_000
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_LEADS = bytes(range(0xC0, 0x100))

Address = tuple[str, str]

_VERSION = 1
# Version; size, lines and header end of the message; ends of the four sections that follow.
_LAYOUT = struct.Struct("<B3xIIIIIII")
_ONE = struct.Struct("<I")
_TWO = struct.Struct("<II")
_FIRST, _ENVELOPE_END, _BODY_END, _STRUCTURE_END = _LAYOUT.size, 16, 20, 24


class SummaryError(ValueError):
    """The bytes are no packed summary of a version this program knows."""


class Summary(msgspec.Struct, frozen=True, gc=False):
    """Everything derived from one message.

    Wire values: `envelope`, `body` and `bodystructure` are IMAP lists (RFC 3501 7.4.2), ready to
    send; they may hold literals. Offsets are in bytes of the message: `size` of it all, `lines`
    (line feeds in it), `header_end` (after the blank line), `parts` (see Part).

    Text values are decoded: `subject`, addresses as (name, address), `message_id`, `in_reply_to`
    and `references` without angle brackets (the first and last 50), `date` in seconds since 1970
    or None, `preview` (at most 200 characters of the text), `has_attachment`.
    """

    envelope: bytes
    body: bytes
    bodystructure: bytes
    size: int
    lines: int
    header_end: int
    parts: tuple[Part, ...]
    subject: str
    from_: tuple[Address, ...]
    sender: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: int | None
    preview: str
    has_attachment: bool

    def pack(self) -> bytes:
        """Return the compact form that `unpack` and the packed_* functions read."""
        parts = _encode(self.parts)
        envelope_end = _FIRST + len(self.envelope)
        body_end = envelope_end + len(self.body)
        structure_end = body_end + len(self.bodystructure)
        head = _LAYOUT.pack(
            _VERSION,
            self.size,
            self.lines,
            self.header_end,
            envelope_end,
            body_end,
            structure_end,
            structure_end + len(parts),
        )
        details = _encode(astuple(self)[_PARTS_END:])
        return b"".join((head, self.envelope, self.body, self.bodystructure, parts, details))

    @staticmethod
    def unpack(data: bytes) -> Summary:
        """Return the Summary that was packed. Raises SummaryError for anything else."""
        try:
            version, size, lines, header_end, *ends = _LAYOUT.unpack_from(data)
            _check(version)
            one, two, three, four = ends
            details = _decode_details(data[four:])
            return Summary(
                data[_FIRST:one],
                data[one:two],
                data[two:three],
                size,
                lines,
                header_end,
                _decode_parts(data[three:four]),
                *details,
            )
        except (struct.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SummaryError("the packed summary is damaged") from error


_PARTS_END = 1 + Summary.__struct_fields__.index("parts")
_Details = tuple[
    str, tuple[Address, ...], tuple[Address, ...], tuple[Address, ...], tuple[Address, ...],
    tuple[Address, ...], tuple[Address, ...], str, tuple[str, ...], tuple[str, ...],
    int | None, str, bool,
]  # fmt: skip
_encode = msgspec.msgpack.Encoder().encode
_decode_parts = msgspec.msgpack.Decoder(tuple[Part, ...]).decode
_decode_details: Any = msgspec.msgpack.Decoder(_Details).decode


def _check(version: int) -> None:
    if version != _VERSION:
        raise SummaryError(f"the packed summary has version {version}, not {_VERSION}")


def packed_envelope(data: bytes) -> bytes:
    """Slice ENVELOPE out of a packed summary."""
    _check(data[0])
    (end,) = _ONE.unpack_from(data, _ENVELOPE_END)
    return data[_FIRST:end]


def packed_body(data: bytes) -> bytes:
    """Slice BODY out of a packed summary."""
    _check(data[0])
    start, end = _TWO.unpack_from(data, _ENVELOPE_END)
    return data[start:end]


def packed_bodystructure(data: bytes) -> bytes:
    """Slice BODYSTRUCTURE out of a packed summary."""
    _check(data[0])
    start, end = _TWO.unpack_from(data, _BODY_END)
    return data[start:end]


def packed_parts(data: bytes) -> tuple[Part, ...]:
    """Decode the table of parts of a packed summary, and nothing else."""
    _check(data[0])
    start, end = _TWO.unpack_from(data, _STRUCTURE_END)
    return _decode_parts(data[start:end])


def packed_layout(data: bytes) -> tuple[int, int]:
    """Return (size, header_end) of a packed summary: with the parts, all `locate` needs."""
    _check(data[0])
    _, size, _, header_end, *_ = _LAYOUT.unpack_from(data)
    return size, header_end


def summarize(raw: bytes) -> Summary:
    """Derive the Summary of a message; never raises, for any bytes, in time linear in them."""
    root = scan_message(raw)
    fields = root.fields
    people = Correspondents(fields)
    body, bodystructure = structures(raw, root)
    table = PartTable(root)
    subject = fields.get(b"subject")
    date = fields.get(b"date")
    return Summary(
        envelope=envelope(fields, people),
        body=body,
        bodystructure=bodystructure,
        size=len(raw),
        lines=_lines(raw, root),
        header_end=root.body,
        parts=tuple(table.parts),
        subject=decode_words(subject) if subject else "",
        from_=people.from_.decoded,
        sender=people.sender.decoded,
        reply_to=people.reply_to.decoded,
        to=people.to.decoded,
        cc=people.cc.decoded,
        bcc=people.bcc.decoded,
        message_id=next(iter(message_ids(fields.get(b"message-id", b""))), ""),
        in_reply_to=_references(fields.get(b"in-reply-to")),
        references=_references(fields.get(b"references")),
        date=parse_date(decode(date[:100])) if date else None,
        preview=_preview(raw, table.readable),
        has_attachment=table.attached,
    )


def _lines(raw: bytes, root: Node) -> int:
    if root.lines is None:
        return raw.count(b"\n")
    return raw.count(b"\n", 0, root.body) + root.lines


def _references(value: bytes | None) -> tuple[str, ...]:
    if not value:
        return ()
    ids = message_ids(value)
    if len(ids) > MAX_REFERENCES:
        half = MAX_REFERENCES // 2
        ids = ids[:half] + ids[-half:]
    return tuple(ids)


def _preview(raw: bytes, part: Part | None) -> str:
    if part is None:
        return ""
    is_html = part.media_type == "text/html"
    length = _PREVIEW_HTML_SOURCE if is_html else _PREVIEW_SOURCE
    data = raw[part.body_start : min(part.body_end, part.body_start + length)]
    data = decode_transfer(data, part.encoding)
    if part.body_end - part.body_start > length:
        # One half of a character must not make UTF-8 look like something else.
        data = data.rstrip(_CONTINUATIONS).rstrip(_LEADS)
    text = decode(data, part.charset)
    if is_html:
        words = html_to_text(text, 2 * PREVIEW_LENGTH)
    else:
        words = " ".join(text[:_PREVIEW_FIRST].split())
        if len(words) < PREVIEW_LENGTH < len(text):
            words = " ".join(text.split())
    return decode_words_in(words[:PREVIEW_LENGTH])

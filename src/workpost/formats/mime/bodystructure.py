"""BODY and BODYSTRUCTURE (RFC 3501 7.4.2), ready to send."""

from __future__ import annotations

import re

from workpost.formats.mime.envelope import Correspondents, envelope
from workpost.formats.mime.headers import Fields, parameters
from workpost.formats.mime.scanner import Node
from workpost.formats.mime.wire import NIL, nstring, parameter_list, string

_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{1,64}")


def structures(raw: bytes, node: Node) -> tuple[bytes, bytes]:
    """Return (BODY, BODYSTRUCTURE) of an entity: without and with extension data.

    Types, encodings, dispositions and names of parameters are upper case, values as they stand.
    """
    media = node.media
    if media.is_multipart:
        parts = [structures(raw, child) for child in node.children]
        subtype = string(media.minor.upper())
        return (
            b"(%b %b)" % (b"".join([short for short, _ in parts]), subtype),
            b"(%b %b %b %b)"
            % (
                b"".join([long for _, long in parts]),
                subtype,
                parameter_list(media.params),
                _placement(node.fields),
            ),
        )
    fields = node.fields
    start = b'%b %b %b "%b" %d' % (
        media.wire,
        nstring(fields.get(b"content-id")),
        nstring(fields.get(b"content-description")),
        node.encoding.upper(),
        node.end - node.body,
    )
    tail = b" %b %b)" % (nstring(fields.get(b"content-md5")), _placement(fields))
    if media.major == b"text":
        start += b" %d" % _count_lines(raw, node)
    elif media.is_message:
        inner = node.children[0]
        short, long = structures(raw, inner)
        lines = _count_lines(raw, node)
        about = envelope(inner.fields, Correspondents(inner.fields))
        return (
            b"%b %b %b %d)" % (start, about, short, lines),
            b"%b %b %b %d%b" % (start, about, long, lines, tail),
        )
    return start + b")", start + tail


def _count_lines(raw: bytes, node: Node) -> int:
    node.lines = raw.count(b"\n", node.body, node.end)
    return node.lines


def _placement(fields: Fields) -> bytes:
    """Return disposition, language and location, the extension data that all parts share."""
    disposition = fields.get(b"content-disposition")
    language = fields.get(b"content-language")
    location = nstring(fields.get(b"content-location"))
    if disposition is None and language is None:
        return b"NIL NIL " + location
    return b"%b %b %b" % (_disposition(disposition), _languages(language), location)


def _disposition(value: bytes | None) -> bytes:
    if value is None:
        return NIL
    kind = disposition_type(value)
    if not kind:
        return NIL
    return b"(%b %b)" % (string(kind.upper()), parameter_list(parameters(value)))


def disposition_type(value: bytes) -> bytes:
    """Return `attachment` or what else a Content-Disposition says, in lower case."""
    return value.partition(b";")[0].strip().lower()[:64]


def _languages(value: bytes | None) -> bytes:
    tags = _LANGUAGE.findall(value)[:50] if value else []
    if not tags:
        return NIL
    if len(tags) == 1:
        return string(tags[0])
    return b"(%b)" % b" ".join([string(tag) for tag in tags])

"""The flat table of a message's parts, by IMAP section number (RFC 3501 6.4.5)."""

from __future__ import annotations

import msgspec

from workpost.formats.charsets import decode
from workpost.formats.mime.bodystructure import disposition_type
from workpost.formats.mime.headers import decoded_parameter, message_ids, parameters
from workpost.formats.mime.scanner import Node

_SIGNATURES = frozenset(
    ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
)
_SHOWN_INLINE = frozenset(("text", "multipart", "message"))


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One part: its MIME header is raw[header_start:body_start], its body raw[body_start:body_end].

    `path` is the section number, "1.2"; the root of a multipart message has "". Of a
    message/rfc822 the embedded header is raw[body_start:text_start] and its text
    raw[text_start:body_end]; for all others `text_start` is 0. `media_type`, `charset`,
    `encoding` and `disposition` are lower case, "" where the message does not say; `charset` of
    text without one is "us-ascii". `filename` is decoded, `content_id` without brackets.
    """

    path: str
    media_type: str
    charset: str
    encoding: str
    disposition: str
    filename: str
    content_id: str
    header_start: int
    body_start: int
    body_end: int
    text_start: int


class PartTable:
    """Builds the table; also notes what the whole message's reader wants to know first.

    `attached` tells whether a mail client would show an attachment, `readable` is the text part
    it would open (plain before HTML, never from inside an attached message).
    """

    def __init__(self, root: Node) -> None:
        self.parts: list[Part] = []
        self.attached = False
        self.readable: Part | None = None
        if root.media.is_multipart:
            self._add(root, "")
            self._children(root, "", outer=True)
        else:
            self._leaf(root, "1", None, outer=True)

    def _children(self, node: Node, prefix: str, *, outer: bool) -> None:
        for number, child in enumerate(node.children, 1):
            path = f"{prefix}{number}"
            if child.media.is_multipart:
                self._add(child, path)
                self._children(child, f"{path}.", outer=outer)
            else:
                self._leaf(child, path, node, outer=outer)

    def _leaf(self, node: Node, path: str, parent: Node | None, *, outer: bool) -> None:
        part = self._add(node, path)
        if outer:
            self._note(part, parent is not None and parent.media.minor == b"related")
        if node.media.is_message:
            inner = node.children[0]
            if inner.media.is_multipart:
                self._children(inner, f"{path}.", outer=False)
            else:
                self._leaf(inner, f"{path}.1", None, outer=False)

    def _add(self, node: Node, path: str) -> Part:
        fields, media = node.fields, node.media
        disposition = filename = content_id = ""
        placed = fields.get(b"content-disposition")
        if placed:
            disposition = decode(disposition_type(placed))
            filename = decoded_parameter(parameters(placed), b"filename")
        identity = fields.get(b"content-id")
        if identity:
            content_id = next(iter(message_ids(identity)), "")
        part = Part(
            path,
            media.name,
            media.charset,
            node.encoding.decode(),
            disposition,
            filename or media.filename,
            content_id,
            node.start,
            node.body,
            node.end,
            node.children[0].body if media.is_message else 0,
        )
        self.parts.append(part)
        return part

    def _note(self, part: Part, related: bool) -> None:
        attached = _is_attached(part, related)
        if attached:
            self.attached = True
        elif part.media_type.startswith("text/") and (
            self.readable is None
            or (part.media_type == "text/plain" and self.readable.media_type != "text/plain")
        ):
            self.readable = part


def _is_attached(part: Part, related: bool) -> bool:
    if part.disposition == "attachment":
        return True
    if part.content_id and (related or part.disposition == "inline"):
        return False
    if part.media_type == "message/rfc822":
        return True
    if part.media_type in _SIGNATURES:
        return False
    return bool(part.filename) or part.media_type.partition("/")[0] not in _SHOWN_INLINE

"""What a function may put in the place of a message in transit (PutRawMessageContent).

The criteria are those of the API reference (RawMessageContent); which fields are required, unique
and immutable it does not tell: docs/decisions/0046-message-flow.md. A message is refused for what
the function did to it, never for fields that were missing, doubled or malformed before.
"""

from __future__ import annotations

import re
from collections import Counter

from workpost.formats.encoded_words import decode_words
from workpost.formats.mime.headers import MAX_BLOCK, parameter, unfold
from workpost.formats.mime.media import read_type
from workpost.formats.mime.parts import PartTable
from workpost.formats.mime.scanner import Node, header_end, scan_message

LONGEST_LINE = 998
"""Octets of a line before its CRLF (RFC 5321 4.5.3.1.6)."""
REQUIRED = ("From", "Date")
UNIQUE = (
    *("Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To"),
    *("References", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
)
"""RFC 5322 3.6; the last three say how all that follows is read."""
IMMUTABLE = (
    *("Message-ID", "Return-Path", "Received", "Authentication-Results"),
    *("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"),
)
"""What identifies a message, and the trace of where it was (RFC 5322 3.6.7, 8601, 8617)."""
OF_THE_SENDER = ("From", "Sender")
"""Immutable on the way out: whether the login may use them was decided before."""
REFUSED_TYPES = frozenset((
    "ade", "adp", "app", "asp", "bas", "bat", "cer", "chm", "cmd", "com", "cpl", "crt", "csh",
    "der", "exe", "fxp", "gadget", "hlp", "hta", "inf", "ins", "isp", "its", "js", "jse", "ksh",
    "lib", "lnk", "mad", "maf", "mag", "mam", "maq", "mar", "mas", "mat", "mau", "mav", "maw",
    "mda", "mdb", "mde", "mdt", "mdw", "mdz", "msc", "msh", "msh1", "msh2", "mshxml", "msh1xml",
    "msh2xml", "msi", "msp", "mst", "ops", "pcd", "pif", "plg", "prf", "prg", "reg", "scf",
    "scr", "sct", "shb", "shs", "sys", "ps1", "ps1xml", "ps2", "ps2xml", "psc1", "psc2", "tmp",
    "url", "vb", "vbe", "vbs", "vps", "vsmacros", "vss", "vst", "vsw", "vxd", "ws", "wsc", "wsf",
    "wsh", "xnk",
))  # fmt: skip
"""Last parts of the names of attachments that the service takes from nobody."""
COMPOSITE_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary"})
"""Of a multipart (RFC 2045 6.4)."""
MAX_SHOWN = 64

_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
_CLOSING = rb"\r\n--%b--[ \t]*(?:\r\n|$)"

Values = dict[str, list[str]]


class ReplacementRefused(ValueError):
    """The content cannot take the message's place; the text says why and names the field."""


def mend_line_ends(content: bytes) -> bytes:
    """The content with lines that all end in CRLF, the last one, too. Raises ReplacementRefused."""
    if b"\0" in content:
        raise ReplacementRefused("The message contains a NUL character.")
    ends = content.count(b"\r\n")
    if content.count(b"\r") != ends:
        raise ReplacementRefused("The message contains a carriage return that ends no line.")
    if content.count(b"\n") != ends:
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def check_replacement(original: bytes, content: bytes, *, outgoing: bool) -> None:
    """Raise ReplacementRefused unless `content` may take the place of `original`.

    Both have lines that end in CRLF and no Return-Path of our own. `outgoing` is for mail that
    somebody here has submitted.
    """
    if content == original:
        return
    # Splitting is many times faster than a pattern, and holds the interpreter for less long.
    if max(map(len, content.split(b"\n"))) > LONGEST_LINE + len(b"\r"):
        raise ReplacementRefused("A line of the message exceeds 1000 characters.")
    if header_end(content, 0, len(content)) > MAX_BLOCK:
        raise ReplacementRefused(f"The header of the message exceeds {MAX_BLOCK} bytes.")
    _check_fields(original, content, outgoing=outgoing)
    root = scan_message(content)
    _check_structure(content, root)
    _check_attachments(root)


def _check_fields(original: bytes, content: bytes, *, outgoing: bool) -> None:
    before, malformed = _read_fields(original)
    now, broken = _read_fields(content)
    for line in broken:
        if line not in malformed:
            raise ReplacementRefused(f"The header has a line that is no field: {_shown(line)}")
    for name in REQUIRED:
        if name.lower() in before and name.lower() not in now:
            raise ReplacementRefused(f"The required header {name} is missing.")
    for name in UNIQUE:
        count = len(now.get(name.lower(), ()))
        if count > max(1, len(before.get(name.lower(), ()))):
            raise ReplacementRefused(f"The header {name} can only appear once.")
    for name in (*IMMUTABLE, *(OF_THE_SENDER if outgoing else ())):
        if before.get(name.lower()) != now.get(name.lower()):
            raise ReplacementRefused(f"The value of the header {name} must remain unchanged.")
    for name, values in now.items():
        # Whoever sent the message on before has put them in; a function may take them out.
        if name.startswith("resent-") and Counter(values) - Counter(before.get(name, ())):
            raise ReplacementRefused("A message cannot be redirected by its content: Resent-*.")


def _header(message: bytes) -> bytes:
    return message[: min(header_end(message, 0, len(message)), MAX_BLOCK)]


def _read_fields(message: bytes) -> tuple[Values, dict[bytes, None]]:
    """Values by lower-case name in their order, and lines that are no field.

    A value is as a reader sees it: unfolded, encoded words decoded, blanks as one. A library that
    folds or encodes it in another way has not changed it.
    """
    fields: Values = {}
    broken: dict[bytes, None] = {}
    for line in filter(None, unfold(_header(message)).split(b"\n")):
        match = _FIELD.match(line)
        if match is None:
            broken[line] = None
            continue
        name = match[1].decode("ascii").lower()
        value = " ".join(decode_words(line[match.end() :]).split())
        fields.setdefault(name, []).append(value)
    return fields, broken


def _check_structure(content: bytes, node: Node) -> None:
    """Each multipart has a boundary, parts, and the line that closes it (RFC 2046 5.1.1)."""
    value = node.fields.get(b"content-type")
    claimed = read_type(value) if value else None
    if claimed is not None and (claimed.is_multipart or claimed.is_message) and not node.children:
        raise ReplacementRefused(f"A part of the type {claimed.name} is not formatted properly.")
    if node.media.is_multipart:
        if node.encoding not in COMPOSITE_ENCODINGS:
            raise ReplacementRefused(
                f"A part of the type {node.media.name} cannot have the encoding"
                f" {_shown(node.encoding)}."
            )
        boundary = parameter(node.media.params, b"boundary").rstrip()
        closing = re.compile(_CLOSING % re.escape(boundary))
        end = node.children[-1].end
        # The delimiters around a part without a single line share their line end.
        if not any(closing.match(content, at, node.end) for at in (end, max(0, end - 2))):
            raise ReplacementRefused(
                f"A part of the type {node.media.name} does not end with its boundary."
            )
    for child in node.children:
        _check_structure(content, child)


def _check_attachments(root: Node) -> None:
    for part in PartTable(root).parts:
        name = part.filename.strip(" .\t")
        ending = name.rpartition(".")[2].lower() if "." in name else ""
        if ending in REFUSED_TYPES:
            raise ReplacementRefused(f"Attachments of the type .{ending} are not allowed.")


def _shown(line: bytes) -> str:
    return repr(line[:MAX_SHOWN].decode("ascii", "replace"))

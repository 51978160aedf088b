"""Header blocks: unfolding, the fields a summary needs, parameters (RFC 2045, 2183, 2231)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from workpost.formats.charsets import decode
from workpost.formats.encoded_words import decode_words
from workpost.formats.mime.wire import CR, NUL

MAX_BLOCK = 256 * 1024
"""Bytes of one header block that are looked at; what follows is kept, not interpreted."""
MAX_FIELDS = 2_000
"""Fields of one block that are looked at."""
MAX_VALUE = 16 * 1024
"""Bytes of one value that are kept, except for recipients."""
MAX_RECIPIENTS_VALUE = 128 * 1024
MAX_PARAMETERS = 100
MAX_BOUNDARY = 250

Fields = dict[bytes, bytes]
Parameters = list[tuple[bytes, bytes]]

# Two From fields are against the rules, but a reader may be shown either: whoever checks senders
# has to see both.
_JOINED = {
    b"from": b", ",
    b"sender": b", ",
    b"to": b", ",
    b"cc": b", ",
    b"bcc": b", ",
    b"references": b" ",
    b"in-reply-to": b" ",
}
_RECIPIENTS = (b"to", b"cc", b"bcc")
_WANTED = frozenset((
    b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"subject", b"date", b"message-id",
    b"in-reply-to", b"references", b"content-type", b"content-transfer-encoding",
    b"content-disposition", b"content-id", b"content-description", b"content-language",
    b"content-location", b"content-md5",
))  # fmt: skip

_TOKEN = rb"[^\s;=/\x00-\x1f\"(),:<>@\[\]\\\x7f-\xff]++"
_MEDIA_TYPE = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_PARAMETER = re.compile(
    rb";\s*+([^\s;=\"]++)\s*+=\s*+(?:\"((?:[^\"\\]++|\\.)*+)\"?|([^;]*+))", re.DOTALL
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_MESSAGE_ID = re.compile(rb"<([^<>]{1,998})>")


def unfold(block: bytes) -> bytes:
    """Return a header block with one field a line, lines ended by LF, without CR and NUL."""
    text = block.replace(b"\r\n", b"\n")
    if b"\n " in text:
        text = text.replace(b"\n ", b" ")
    if b"\n\t" in text:
        text = text.replace(b"\n\t", b"\t")
    if CR in text:
        text = text.replace(b"\r", b" ")
    if NUL in text:
        text = text.replace(b"\0", b"")
    return text


def collect(block: bytes) -> Fields:
    """Return the fields of a header block that a summary needs, by lower-case name, unfolded.

    Of a repeated field the first counts; lists of addresses and ids are joined instead. Values
    over 16 KiB (recipients: 128 KiB) are cut.
    """
    fields: Fields = {}
    for line in unfold(block[:MAX_BLOCK]).split(b"\n", MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in _WANTED:
            name = name.rstrip()
            if name not in _WANTED:
                continue
        value = value.strip()
        if name in fields:
            if name not in _JOINED:
                continue
            value = fields[name] + _JOINED[name] + value
        if len(value) > MAX_VALUE:
            value = value[: MAX_RECIPIENTS_VALUE if name in _RECIPIENTS else MAX_VALUE]
        fields[name] = value
    return fields


def media_type(value: bytes) -> tuple[bytes, bytes] | None:
    """Return (type, subtype) of a Content-Type in lower case, or None if it is malformed."""
    match = _MEDIA_TYPE.match(value)
    if match is None or match.end() - match.start() > 255:
        return None
    return match[1].lower(), match[2].lower()


def parameters(value: bytes) -> Parameters:
    """Return the parameters of a Content-Type or Content-Disposition: (lower-case name, value).

    Values lose their quotes; RFC 2231 names and values stay as they are.
    """
    if b";" not in value:
        return []
    out: Parameters = []
    for match in _PARAMETER.finditer(value):
        name, quoted, plain = match.groups()
        if quoted is not None:
            text = _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        else:
            text = plain.strip()
            if b"(" in text and name.lower() not in _MAY_HAVE_PARENTHESES:
                text = text[: text.index(b"(")].rstrip()
        out.append((name.lower(), text))
        if len(out) == MAX_PARAMETERS:
            break
    return out


_MAY_HAVE_PARENTHESES = frozenset((b"name", b"filename", b"boundary"))


def parameter(params: Parameters, wanted: bytes) -> bytes:
    """Return one parameter's value as it stands, b"" without it."""
    for name, value in params:
        if name == wanted:
            return value
    return b""


def decoded_parameter(params: Parameters, wanted: bytes) -> str:
    """Return one parameter's value as text: RFC 2231 if used, RFC 2047 words, plain."""
    plain: bytes | None = None
    pieces: dict[int, tuple[bool, bytes]] = {}
    for name, value in params:
        if name == wanted:
            plain = value
        elif name.startswith(wanted + b"*"):
            number, encoded = _section(name[len(wanted) + 1 :])
            if number is not None:
                pieces.setdefault(number, (encoded, value))
    if not pieces:
        return decode_words(plain) if plain else ""
    charset = ""
    out: list[bytes] = []
    for index, (encoded, value) in sorted(pieces.items()):
        if encoded:
            if index == 0 and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
                charset = label.decode("latin-1")
            value = unquote_to_bytes(value)
        out.append(value)
    return decode_words(decode(b"".join(out), charset).encode("utf-8", "replace"))


def _section(suffix: bytes) -> tuple[int | None, bool]:
    """Read what follows the first star of an RFC 2231 name: (section, percent-encoded)."""
    if suffix == b"":
        return 0, True
    digits, star, rest = suffix.partition(b"*")
    if rest or not digits.isdigit() or len(digits) > 3:
        return None, False
    return int(digits), bool(star)


def message_ids(value: bytes) -> list[str]:
    """Return the ids of a Message-ID, References or In-Reply-To value, without their brackets.

    A value without brackets counts as one id if it is one word.
    """
    found = [_without_space(each) for each in _MESSAGE_ID.findall(value)]
    if not found and value and b" " not in value and len(value) <= 998 and b"<" not in value:
        return [decode(value)]
    return [i for i in found if i]


def _without_space(value: bytes) -> str:
    return decode(b"".join(value.split()))

"""Authentication-Results (RFC 8601): written, read, and taken out where somebody forged ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

import msgspec

from workpost.formats.mime.scanner import header_end

MAX_LENGTH = 65_536
"""Bytes of a field that is read."""
LARGEST_HEADER = 1 << 20
"""Bytes of a header that is looked at."""
MAX_FIELDS = 100
"""Authentication-Results fields of a message that are read; each relay on its way writes one."""
MAX_RESULTS = 100
MAX_PROPERTIES = 50
MAX_MARKS = 200
"""Quoted strings and ends of comments that are looked at."""
MAX_REASON = 120
WIDTH = 78

_NAME = b"authentication-results"
# Readers who unfold a header first see a field even where its name is folded from its colon.
_BEGIN = rb"authentication-results(?:[ \t]|\r?\n[ \t])*+:"
_FIELD = re.compile(rb"(?:\A|\n)(" + _BEGIN + rb")", re.IGNORECASE)
_WHOLE_FIELD = re.compile(
    rb"(?:\A|(?<=\n))" + _BEGIN + rb"[^\n]*+\n?(?:[ \t][^\n]*+\n?)*+", re.IGNORECASE
)
_END = re.compile(rb"\n(?![ \t])")
_NOT_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`{|}~@-]")
_NOT_TEXT = re.compile(r"[^ !#-\[\]-~]")
_OUTSIDE = re.compile(r'"(?:[^"\\]++|\\.)*+"|[()]', re.DOTALL)
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_NOT_COMMENT = re.compile(r"[^A-Za-z0-9 =._-]")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_QUOTED = r'"((?:[^"\\]++|\\.)*+)"'
_PART = re.compile(rf'(?:[^";]++|{_QUOTED})*+', re.DOTALL)
_SERVER = re.compile(rf'\s*+(?:{_QUOTED}|([^\s;"=]++))(?:\s++([0-9]++))?\s*+\Z', re.DOTALL)
_METHOD = re.compile(r"\s*+([A-Za-z0-9-]++)\s*+(?:/\s*+[0-9]++\s*+)?=\s*+([A-Za-z]++)(?=\s|\Z)")
_PROPERTY = re.compile(
    rf'\s++([A-Za-z0-9-]++)\s*+(?:\.\s*+([A-Za-z0-9_.-]++)\s*+)?=\s*+(?:{_QUOTED}|([^\s;"]++))',
    re.DOTALL,
)


class ResultsError(ValueError):
    """The text is no value of an Authentication-Results field."""


class MethodResult(msgspec.Struct, frozen=True):
    """One method's result: `dkim`, `pass`, and properties such as `header.d`.

    `comment` is written in parentheses behind the result and is not read back.
    """

    method: str
    result: str
    properties: Mapping[str, str] = {}
    reason: str = ""
    comment: str = ""


class Results(msgspec.Struct, frozen=True):
    """A whole field: who says so (authserv-id), and what."""

    server: str
    methods: tuple[MethodResult, ...]


def write_results(server: str, methods: Sequence[MethodResult]) -> bytes:
    """The field with its CRLF, folded before each method; ASCII, whatever the values are."""
    lines = [f"Authentication-Results: {_value(server)}"]
    if not methods:
        lines = [f"{lines[0]}; none"]
    for each in methods:
        lines[-1] += ";"
        words = [f"{each.method}={each.result}"]
        if each.comment:
            words.append(f"({_NOT_COMMENT.sub('?', each.comment[:MAX_REASON])})")
        if each.reason:
            words.append(f'reason="{_NOT_TEXT.sub("?", each.reason[:MAX_REASON])}"')
        words += [f"{name}={_value(value)}" for name, value in each.properties.items() if value]
        lines.append(_fold(words))
    return ("\r\n\t".join(lines) + "\r\n").encode("ascii")


def _fold(words: Sequence[str]) -> str:
    out, width = words[0], 8 + len(words[0])
    for word in words[1:]:
        if width + 1 + len(word) > WIDTH:
            out, width = f"{out}\r\n\t {word}", 9 + len(word)
        else:
            out, width = f"{out} {word}", width + 1 + len(word)
    return out


def _value(value: str) -> str:
    """A value as it may stand: none can end its place."""
    text = value[:255]
    if not _NOT_TOKEN.search(text):
        return text
    return f'"{_NOT_TEXT.sub("?", text)}"'


def parse_results(value: bytes) -> Results:
    """Read the value of a field, folded or not. Raises ResultsError."""
    parts = _parts(value)
    server = _SERVER.match(parts[0])
    if server is None:
        raise ResultsError("the authserv-id is malformed")
    name = _unquote(server[1]) if server[1] is not None else server[2]
    if not name:
        raise ResultsError("the authserv-id is empty")
    methods = []
    for part in parts[1:]:
        if part.strip().lower() == "none" and len(parts) == 2:
            break
        if part.strip():
            methods.append(_method(part))
    return Results(name, tuple(methods))


def _parts(value: bytes) -> list[str]:
    if len(value) > MAX_LENGTH:
        raise ResultsError("the field is too long")
    text = _without_comments(value.decode("utf-8", "replace"))
    parts, position = [], 0
    while True:
        match = _PART.match(text, position)
        assert match is not None, "the pattern matches the empty text"
        parts.append(match[0])
        position = match.end()
        if position == len(text):
            return parts
        if text[position] != ";":
            raise ResultsError("a quoted string is not closed")
        if len(parts) > MAX_RESULTS:
            raise ResultsError("the field has too many results")
        position += 1


def _without_comments(text: str) -> str:
    """The text with a space for each comment; in comments quotes mean nothing (RFC 5322 3.2.2)."""
    if "(" not in text:
        return text
    kept: list[str] = []
    depth = start = position = 0
    for _ in range(MAX_MARKS):
        match = (_IN_COMMENT if depth else _OUTSIDE).search(text, position)
        if match is None:
            break
        position = match.end()
        if match[0] == "(":
            if not depth:
                kept.append(text[start : match.start()])
            depth += 1
        elif match[0] == ")" and depth:
            depth -= 1
            start = position
    else:
        raise ResultsError("the field has too many comments")
    if depth:
        raise ResultsError("a comment is not closed")
    kept.append(text[start:])
    return " ".join(kept)


def _method(part: str) -> MethodResult:
    head = _METHOD.match(part)
    if head is None:
        raise ResultsError("a result is malformed")
    properties: dict[str, str] = {}
    reason = ""
    position, end = head.end(), len(part.rstrip())
    while position < end:
        match = _PROPERTY.match(part, position)
        if match is None or len(properties) >= MAX_PROPERTIES:
            raise ResultsError("a property is malformed")
        kind, name, quoted, plain = match.groups()
        text = plain if quoted is None else _unquote(quoted)
        if name is not None:
            properties.setdefault(f"{kind}.{name}".lower(), text)
        elif kind.lower() == "reason":
            reason = text
        else:
            raise ResultsError("a property is malformed")
        position = match.end()
    return MethodResult(head[1].lower(), head[2].lower(), properties, reason)


def _unquote(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def find_results(raw: bytes, servers: Collection[str]) -> list[Results]:
    """The fields of these servers among the first `MAX_FIELDS` of a message, the topmost first.

    A field that cannot be read, or stands beyond `LARGEST_HEADER`, is none. Those on top are of the
    last relay: however many a stranger has written below them, they are seen.
    """
    names = {name.lower().removesuffix(".") for name in servers}
    end = header_end(raw, 0, min(len(raw), LARGEST_HEADER))
    found = []
    for match in islice(_FIELD.finditer(raw, 0, end), MAX_FIELDS):
        last = _END.search(raw, match.end(), end)
        try:
            results = parse_results(raw[match.end() : last.end() if last is not None else end])
        except ResultsError:
            continue
        if results.server.lower().removesuffix(".") in names:
            found.append(results)
    return found


def strip_results(raw: bytes, server: str) -> bytes:
    """The message without fields that claim to come from `server` (RFC 8601 5).

    A field that cannot be read goes, too, if the name of the server is in it: a reader more
    tolerant than we are might believe it. Where there are more than `MAX_FIELDS`, all go. What
    stands beyond `LARGEST_HEADER` stays: no reader gets there, and DMARC fails such a header.
    """
    end = header_end(raw, 0, min(len(raw), LARGEST_HEADER))
    count = raw[:end].lower().count(_NAME)
    if not count:
        return raw
    if count > MAX_FIELDS:
        return _WHOLE_FIELD.sub(b"", raw[:end]) + raw[end:]
    kept, start = [], 0
    for match in _FIELD.finditer(raw, 0, end):
        begin = match.start(1)
        if begin < start:
            continue
        last = _END.search(raw, match.end(), end)
        stop = last.end() if last is not None else end
        if _claims(raw[match.end() : stop], server):
            kept.append(raw[start:begin])
            start = stop
    if not kept:
        return raw
    kept.append(raw[start:])
    return b"".join(kept)


def _claims(value: bytes, server: str) -> bool:
    try:
        text = _parts(value)[0]
    except ResultsError:
        return server.lower().encode() in value.lower()
    match = _SERVER.match(text)
    if match is None:
        return server.lower() in text.lower()
    name = _unquote(match[1]) if match[1] is not None else match[2]
    return name.lower().removesuffix(".") == server.lower()

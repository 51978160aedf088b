"""A message as tests and editheader see it: fields in order, addresses, bodies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.header import Header
from functools import cached_property
from textwrap import wrap

from workpost.formats.addresses import parse_address_list
from workpost.formats.charsets import decode
from workpost.formats.encoded_words import decode_words
from workpost.formats.mime import Summary, decode_part, summarize
from workpost.formats.mime.headers import unfold
from workpost.formats.mime.parts import Part
from workpost.formats.mime.transfer import html_to_text
from workpost.formats.sieve.errors import SieveRunError
from workpost.formats.sieve.limits import MAX_BODIES, MAX_EDITS, MAX_VALUE_TO_MATCH

LINE = 76
"""Characters of a line of a field that is added."""
MAX_WORD = 900
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
MAX_FIELDS = 2_000
"""Fields of a header that are looked at."""


class Field:
    """One header field: its octets as they lie in the message, its unfolded value."""

    def __init__(self, name: str, value: bytes, octets: bytes) -> None:
        self.name = name
        self.value = value
        self.octets = octets

    @cached_property
    def text(self) -> str:
        """The value with encoded words decoded, without white space around it."""
        return decode_words(self.value).strip()

    @cached_property
    def addresses(self) -> list[str]:
        """The addresses of the value, without names."""
        return [address for _, address in parse_address_list(self.value) if address]


class Message:
    """The message of one run. Edits of its header are seen by what comes after them."""

    def __init__(self, raw: bytes, summary: Summary | None = None) -> None:
        self._raw = raw
        self._given = summary
        self._edits = 0
        self._rest = b""
        """The header behind MAX_FIELDS, with its blank line; nobody looks at it."""
        self._bodies: dict[tuple[str, ...], list[str]] = {}

    @cached_property
    def summary(self) -> Summary:
        """Made when a body or the size of the header is asked for, unless it was given."""
        return self._given or summarize(self._raw)

    @property
    def size(self) -> int:
        """Octets of the message as it came."""
        return len(self._raw)

    @property
    def edited(self) -> bool:
        """Whether the header is not what it was."""
        return self._edits > 0

    @cached_property
    def fields(self) -> list[Field]:
        """The header, first field first."""
        found: list[Field] = []
        lines = self._raw[: self.summary.header_end].splitlines(keepends=True)
        start = 0
        while start < len(lines) and len(found) < MAX_FIELDS:
            end = start + 1
            while end < len(lines) and lines[end][:1] in (b" ", b"\t"):
                end += 1
            octets = b"".join(lines[start:end])
            start = end
            if octets.strip():
                # A line that is no field keeps its place and has no name.
                name, colon, value = unfold(octets).rstrip(b"\n").partition(b":")
                known = name.rstrip().decode("latin-1").lower() if colon else ""
                found.append(Field(known, value, octets))
        self._rest = b"".join(lines[start:])
        return found

    def named(self, names: Sequence[str]) -> list[Field]:
        """The fields of these names, in the order of the message."""
        wanted = {name.lower() for name in names}
        return [field for field in self.fields if field.name in wanted]

    def with_header_edited(self) -> bytes:
        """The message with its header as it is now."""
        if not self.edited:
            return self._raw
        fields = b"".join(field.octets for field in self.fields)
        return fields + (self._rest or b"\r\n") + self._raw[self.summary.header_end :]

    def add(self, name: str, value: str, *, last: bool) -> None:
        """RFC 5293 4: a field at the top, or at the bottom."""
        self._count_edit()
        octets = _folded(name, value)
        encoded = unfold(octets).rstrip(b"\n").partition(b":")[2]
        field = Field(name.lower(), encoded, octets)
        self.fields.insert(len(self.fields) if last else 0, field)

    def delete(self, field: Field) -> None:
        """RFC 5293 5."""
        self._count_edit()
        self.fields.remove(field)

    def _count_edit(self) -> None:
        self._edits += 1
        if self._edits > MAX_EDITS:
            raise SieveRunError(f"the header is edited more than {MAX_EDITS} times")

    def bodies(self, transform: str, types: Sequence[str]) -> list[str]:
        """What `body` compares: RFC 5173 4 (:raw), 5 (:content), 5.3 (:text).

        Decoding is the dearest thing that a script can ask for, so it is done once.
        """
        asked = (transform, *types)
        if asked not in self._bodies:
            if len(self._bodies) >= MAX_BODIES:
                raise SieveRunError(f"the body is taken apart in more than {MAX_BODIES} ways")
            self._bodies[asked] = self._decoded(transform, types)
        return self._bodies[asked]

    def _decoded(self, transform: str, types: Sequence[str]) -> list[str]:
        if transform == ":raw":
            body = self._raw[self.summary.header_end :][:MAX_VALUE_TO_MATCH]
            return [body.decode("utf-8", "replace")]
        found = []
        for part in self.summary.parts:
            media = part.media_type.lower()
            if transform == ":text" and not media.startswith("text/"):
                continue
            if transform == ":content" and not any(_is_type(media, each) for each in types):
                continue
            if media.startswith("multipart/"):
                found += [decode(each, "")[:MAX_VALUE_TO_MATCH] for each in self._around(part)]
                continue
            if media.startswith("message/"):
                octets = self._raw[part.body_start : part.text_start or part.body_end]
            else:
                octets = decode_part(self._raw, part)
            text = decode(octets, part.charset)[:MAX_VALUE_TO_MATCH]
            if transform == ":text" and media == "text/html":
                text = html_to_text(text, MAX_VALUE_TO_MATCH)
            found.append(text)
        return found

    def _around(self, part: Part) -> list[bytes]:
        """RFC 5173 5.2: prologue and epilogue of a multipart, without the lines that part it."""
        inner = [
            one
            for one in self.summary.parts
            if part.body_start < one.header_start and one.body_end <= part.body_end
        ]
        if not inner:
            return [self._raw[part.body_start : part.body_end]]
        first, last = inner[0].header_start, max(one.body_end for one in inner)
        before = self._raw[part.body_start : first].rstrip(b"\r\n")
        behind = self._raw[last : part.body_end].lstrip(b"\r\n")
        return [before[: before.rfind(b"\n") + 1], behind.partition(b"\n")[2]]


def _is_type(media: str, wanted: str) -> bool:
    """RFC 5173 5: "" is every type, `text` all of text, `text/html` just that."""
    wanted = wanted.lower()
    if wanted.startswith("/") or wanted.endswith("/") or wanted.count("/") > 1:
        return False
    return not wanted or media == wanted or media.startswith(f"{wanted}/")


def _folded(name: str, value: str) -> bytes:
    """A field of lines that every server takes (RFC 5322 2.1.1), UTF-8 in encoded words."""
    plain = " ".join(_CONTROL.sub(" ", value).split())
    if plain.isascii() and all(len(word) <= MAX_WORD for word in plain.split(" ")):
        lines = wrap(
            plain,
            LINE,
            initial_indent=" " * (len(name) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        text = "\r\n ".join(lines).lstrip(" ")
    else:
        made = Header(plain, "utf-8", header_name=name, maxlinelen=LINE)
        text = made.encode(linesep="\r\n")
    return f"{name}: {text}\r\n".encode("ascii")

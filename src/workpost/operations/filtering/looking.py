"""A message as the scorer and the learner see it: fields, readable text, links, names of parts.

Everything is bounded: no more than 64 KiB of text are read, and whatever the bytes, looking at them
costs some tens of milliseconds at worst.
"""

from __future__ import annotations

import re
from functools import cached_property

import msgspec

from workpost.formats.charsets import decode
from workpost.formats.encoded_words import decode_words
from workpost.formats.mime.envelope import Correspondents
from workpost.formats.mime.parts import Part, PartTable
from workpost.formats.mime.scanner import scan_message
from workpost.formats.mime.transfer import decode_transfer, html_to_text

TEXT_BYTES = 64 * 1024
"""Of all texts of a message together, as sent."""
HEADER_BYTES = 64 * 1024
PART_HEADER = 4 * 1024
LINKS = 200
ANCHORS = 100
ANCHOR_TAG = 2_000
ANCHOR_TEXT = 500

_LIST_FIELD = re.compile(rb"\nlist-[a-z]{2,20}:")
_BY = re.compile(rb"\bby\s+([^\s;()]{1,255})")
_RECEIVED = b"\nreceived:"
_AUTHORITY = re.compile(r"://([^\s/?#\"'<>\\]{1,300})")
"""Found fast, as it begins with what seldom stands in a text; what stands before is looked at."""
_HREF = re.compile(r"\bhref\s{0,9}=\s{0,9}[\"']?\s{0,9}([^\"'\s>]{1,1000})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")


class Link(msgspec.Struct, frozen=True):
    """Where a link leads; `shown` is the text of its anchor, "" for a bare URL."""

    host: str
    port: str = ""
    userinfo: bool = False
    shown: str = ""


class Looked:
    """One message; `raw` as it came, or with trace fields of ours on top."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        root = scan_message(raw)
        self.fields = root.fields
        self.people = Correspondents(root.fields)
        self.parts = PartTable(root).parts
        self._lines = b"\n" + raw[: min(root.body, HEADER_BYTES)].lower()
        """The header in lower case, each line behind a line feed."""

    @cached_property
    def subject(self) -> str:
        """The decoded subject."""
        value = self.fields.get(b"subject")
        return decode_words(value)[:1_000] if value else ""

    @property
    def is_from_list(self) -> bool:
        """True for mail of a mailing list or another sender of bulk that says so."""
        return b"\nlist-" in self._lines and _LIST_FIELD.search(self._lines) is not None

    @cached_property
    def received_by(self) -> str:
        """Who wrote the topmost Received field, in lower case."""
        at = self._lines.find(_RECEIVED)
        if at < 0:
            return ""
        start = at + len(_RECEIVED)
        by = _BY.search(self._lines, start, start + 1_000)
        return by[1].decode("latin-1").lower() if by is not None else ""

    @cached_property
    def texts(self) -> tuple[str, str]:
        """(plain text, HTML source) of the parts that are shown, up to TEXT_BYTES of them."""
        plain: list[str] = []
        source: list[str] = []
        left = TEXT_BYTES
        for part in self.parts:
            if part.media_type in ("text/plain", "text/html") and part.disposition != "attachment":
                end = min(part.body_end, part.body_start + left)
                left -= end - part.body_start
                text = self._text(part, end)
                (source if part.media_type == "text/html" else plain).append(text)
                if left <= 0:
                    break
        return "\n".join(plain), "\n".join(source)

    def header_of(self, part: Part) -> bytes:
        """The MIME header of a part, or the beginning of a long one."""
        return self._raw[part.header_start : min(part.body_start, part.header_start + PART_HEADER)]

    def _text(self, part: Part, end: int) -> str:
        data = decode_transfer(self._raw[part.body_start : end], part.encoding)
        return decode(data, part.charset)

    @cached_property
    def shown(self) -> str:
        """The words of the HTML parts."""
        source = self.texts[1]
        return html_to_text(source) if source else ""

    @cached_property
    def anchors(self) -> list[tuple[str, str]]:
        """(target, text) of the anchors of the HTML parts."""
        found: list[tuple[str, str]] = []
        source = self.texts[1]
        lower = source.lower()
        if len(lower) != len(source):
            source = lower
        at = lower.find("<a")
        while at >= 0 and len(found) < ANCHORS:
            end = lower.find(">", at, at + ANCHOR_TAG)
            if end < 0:
                at = lower.find("<a", at + ANCHOR_TAG)
                continue
            href = _HREF.search(source, at, end)
            if href is not None:
                close = lower.find("</a", end, end + ANCHOR_TEXT)
                inner = source[end + 1 : close] if close >= 0 else ""
                found.append((href[1], _TAG.sub("", inner).strip()))
            at = lower.find("<a", end)
        return found

    @cached_property
    def links(self) -> list[Link]:
        """Where the message leads, each place once."""
        found: dict[Link, None] = {}
        for target, text in self.anchors:
            match = _AUTHORITY.search(target, 0, 310)
            if match is not None and _is_web(target, match.start()):
                found[_link(match[1], text)] = None
        plain, source = self.texts
        for text in (plain, source):
            for match in _AUTHORITY.finditer(text):
                if len(found) >= LINKS:
                    return list(found)
                if _is_web(text, match.start()):
                    found.setdefault(_link(match[1], ""))
        return list(found)

    @cached_property
    def hosts(self) -> list[str]:
        """The hosts of the links, each once."""
        return list(dict.fromkeys(link.host for link in self.links))


def _is_web(text: str, end: int) -> bool:
    return text[max(0, end - 5) : end].lower().endswith(("http", "https"))


def _link(authority: str, shown: str) -> Link:
    userinfo, at, rest = authority.rpartition("@")
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]") or not port.isdigit():
        host, port = rest, ""
    return Link(host.lower().strip("."), port, bool(at and userinfo), shown)


def domain_of(address: str) -> str:
    """The domain of an address in lower case, "" where there is none."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def related(one: str, other: str) -> bool:
    """True where two host names share their last two labels: one owner, as far as can be told."""
    return one.split(".")[-2:] == other.split(".")[-2:]

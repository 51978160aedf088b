"""What servers answer (RFC 5321 4.2), read as the hostile input that it is.

Pure: bytes in, replies out. Everything is bounded; text is printable, so that it may stand in a
log, an event or a report.
"""

from __future__ import annotations

import re

import msgspec

MAX_LINE = 2048
"""Octets; the standard says 512 with CRLF, servers with long links in their texts say more."""
MAX_LINES = 128
"""Of one reply: an answer to EHLO has some twenty."""
MAX_TEXT = 1000
"""Characters of a reply's text in one line."""

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\s*", re.DOTALL)
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_SPACES = re.compile(r"\s+")


class BadReply(Exception):
    """What came is no reply; the message says how, without quoting it."""


class Reply(msgspec.Struct, frozen=True):
    """One reply: its code and the text of each line, printable."""

    code: int
    lines: tuple[str, ...]

    @property
    def kind(self) -> int:
        """The first digit: 2 is done, 3 go on, 4 later, 5 never."""
        return self.code // 100

    @property
    def status(self) -> str:
        """The enhanced status code (RFC 3463), the most general one where none fits the code."""
        found = _STATUS.match(self.lines[0])
        if found and found[1][0] == str(self.kind):
            return found[1]
        return f"{self.kind if self.kind in {2, 5} else 4}.0.0"

    @property
    def says_status(self) -> bool:
        """Whether the server gave that enhanced code itself."""
        found = _STATUS.match(self.lines[0])
        return found is not None and found[1][0] == str(self.kind)

    @property
    def text(self) -> str:
        """The whole reply in one line, an enhanced code that is repeated said once."""
        first, *others = self.lines
        found = _STATUS.match(first)
        repeated = found[1] if found else ""
        rest = (
            line.removeprefix(repeated).strip() if repeated else line.strip() for line in others
        )
        words = " ".join(part for part in (str(self.code), first.strip(), *rest) if part)
        return words if len(words) <= MAX_TEXT else words[: MAX_TEXT - 3] + "..."


class ReplyReader:
    """Cuts what a server sends into replies; `feed` as it comes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._lines: list[str] = []
        self._code = 0
        self.error: BadReply | None = None
        """What came after the last reply is none: there will be no more."""

    @property
    def is_between(self) -> bool:
        """True where no part of a reply waits for its rest."""
        return not self._rest and not self._lines and self.error is None

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now, up to the first error; never raises."""
        replies: list[Reply] = []
        if self.error is not None:
            return replies
        try:
            self._feed(data, replies)
        except BadReply as error:
            self.error = error
        return replies

    def _feed(self, data: bytes, replies: list[Reply]) -> None:
        self._rest += data
        if b"\n" in data:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
            for line in lines:
                reply = self._take(line)
                if reply is not None:
                    replies.append(reply)
        if len(self._rest) > MAX_LINE:
            raise BadReply("a line of its reply is too long")

    def _take(self, line: bytes) -> Reply | None:
        if len(line) > MAX_LINE:
            raise BadReply("a line of its reply is too long")
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadReply("its reply has no code")
        code = int(match[1])
        if self._lines and code != self._code:
            raise BadReply("the lines of its reply have different codes")
        self._code = code
        self._lines.append(printable(match[3] or b""))
        if match[2] == b"-":
            if len(self._lines) >= MAX_LINES:
                raise BadReply("its reply has too many lines")
            return None
        reply = Reply(code, tuple(self._lines))
        self._lines = []
        return reply


def printable(text: bytes) -> str:
    """Text from outside in one printable line."""
    plain = _SPACES.sub(" ", text.decode("utf-8", "replace")).strip()
    return "".join(letter if letter.isprintable() else "?" for letter in plain)

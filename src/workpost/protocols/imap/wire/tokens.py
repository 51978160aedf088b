"""Reading the tokens of one command (RFC 3501 section 9).

The cursor walks over the parts of a frame: texts, between which literals stand. A literal can
only follow the last byte of a text, so a token never straddles two parts.
"""

from __future__ import annotations

import re

from workpost.protocols.imap.wire import sequence, utf7
from workpost.protocols.imap.wire.errors import WireError

MAX_MODSEQ = 2**63 - 1
MAX_KEYWORD = 255

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")
_PATTERN = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]+")
_QUOTED = re.compile(rb'"([^\x00\r\n"\\]*(?:\\["\\][^\x00\r\n"\\]*)*)"')
_ESCAPED = re.compile(rb'\\(["\\])')
_DIGITS = re.compile(rb"[0-9]{1,20}")
_SET = re.compile(rb"[0-9:*,]+")
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")

_SYSTEM_FLAGS = {
    name.lower().encode(): name
    for name in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
}


class Cursor:
    """A place in a command. Every method reads at the place and moves on, or raises WireError."""

    __slots__ = ("_index", "_parts", "position", "text")

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        self._parts = parts
        self._index = 0
        self.text = parts[0]
        self.position = 0

    def at_end(self) -> bool:
        """Return whether the command is read to its end."""
        return self.position >= len(self.text) and self._index + 1 >= len(self._parts)

    def end(self) -> None:
        """Require the end of the command."""
        if not self.at_end():
            raise WireError("Unexpected characters after the command")

    def looking_at(self, prefix: bytes) -> bool:
        """Return whether the text goes on with `prefix`, without regard to case."""
        after = self.position + len(prefix)
        return self.text[self.position : after].upper() == prefix

    def accept(self, prefix: bytes) -> bool:
        """Read `prefix` (in upper case) if it is next; return whether it was."""
        if not self.looking_at(prefix):
            return False
        self.position += len(prefix)
        return True

    def expect(self, prefix: bytes) -> None:
        """Require `prefix` (in upper case)."""
        if not self.accept(prefix):
            raise WireError(f"Expected {_shown(prefix)}")

    def space(self) -> None:
        """Require one space."""
        self.expect(b" ")

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Require `pattern`; `what` names it for people."""
        found = pattern.match(self.text, self.position)
        if found is None:
            raise WireError(f"Expected {what}")
        self.position = found.end()
        return found

    def atom(self) -> bytes:
        """Read an atom."""
        return self.match(_ATOM, "atom")[0]

    def word(self) -> str:
        """Read an atom that is a word of the protocol; return it in upper case."""
        return self.atom().decode("ascii").upper()

    def number(self, top: int = sequence.MAX_NUMBER) -> int:
        """Read a number of 0..top."""
        value = int(self.match(_DIGITS, "number")[0])
        if value > top:
            raise WireError("Number out of range")
        return value

    def modseq(self) -> int:
        """Read a modification sequence, 0..2^63-1 (RFC 7162 section 7)."""
        return self.number(MAX_MODSEQ)

    def string(self) -> bytes:
        """Read a quoted string or a literal."""
        if self.position >= len(self.text) and self._index + 1 < len(self._parts):
            return self._literal()
        raw = self.match(_QUOTED, "string")[1]
        return _ESCAPED.sub(rb"\1", raw) if b"\\" in raw else raw

    def astring(self) -> bytes:
        """Read an atom (`]` allowed) or a string."""
        return self._astring(_ASTRING)

    def nstring(self) -> bytes | None:
        """Read NIL or a string."""
        return None if self.accept(b"NIL") else self.string()

    def text_string(self, what: str) -> str:
        """Read an astring that must be UTF-8."""
        try:
            return self.astring().decode()
        except UnicodeDecodeError:
            raise WireError(f"{what} is not UTF-8") from None

    def mailbox(self) -> str:
        """Read a mailbox name; any spelling of INBOX is INBOX (RFC 3501 section 5.1)."""
        return _mailbox(self.astring())

    def pattern(self) -> str:
        """Read a mailbox name that may have the wildcards `%` and `*`."""
        return _mailbox(self._astring(_PATTERN))

    def sequence_set(self) -> sequence.SequenceSet:
        """Read a sequence set."""
        return sequence.parse_set(self.match(_SET, "sequence set")[0])

    def uid_set(self) -> sequence.SequenceSet:
        """Read a sequence set in which `*` is not allowed (RFC 7162, `known-uids`)."""
        found = self.sequence_set()
        if any(high == sequence.STAR for _, high in found):
            raise WireError("* is not allowed here")
        return found

    def flag(self) -> str:
        """Read a flag; system flags come back as the RFC spells them.

        Returns "" for \\Recent, which no client can set and some send.
        """
        raw = self.match(_FLAG, "flag")[0]
        if not raw.startswith(b"\\"):
            if len(raw) > MAX_KEYWORD:
                raise WireError("Keyword too long")
            return raw.decode("ascii")
        if raw.lower() == b"\\recent":
            return ""
        try:
            return _SYSTEM_FLAGS[raw.lower()]
        except KeyError:
            raise WireError("Unknown system flag") from None

    def flag_list(self) -> tuple[str, ...]:
        """Read a parenthesized list of flags, each one once, in the order given."""
        self.expect(b"(")
        if self.accept(b")"):
            return ()
        flags = [self.flag()]
        while self.accept(b" "):
            flags.append(self.flag())
        self.expect(b")")
        return unique(flags)

    def _astring(self, pattern: re.Pattern[bytes]) -> bytes:
        found = pattern.match(self.text, self.position)
        if found is None:
            return self.string()
        self.position = found.end()
        return found[0]

    def _literal(self) -> bytes:
        literal = self._parts[self._index + 1]
        self._index += 2
        self.text = self._parts[self._index]
        self.position = 0
        return literal


def unique(flags: list[str]) -> tuple[str, ...]:
    """Return each flag once, without empty ones, in order."""
    return tuple(flag for flag in dict.fromkeys(flags) if flag)


def _mailbox(raw: bytes) -> str:
    return "INBOX" if raw.upper() == b"INBOX" else utf7.decode(raw)


def _shown(prefix: bytes) -> str:
    return "space" if prefix == b" " else prefix.decode("ascii")

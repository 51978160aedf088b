"""Address lists as they really come (RFC 5322 3.4 and 4.4): one tolerant, linear scan.

The scan works on undecoded header values read as Latin-1, one character per byte, so that the
IMAP ENVELOPE can give every byte back; `workpost.formats.addresses` decodes its results.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_ADDRESSES = 5_000
"""Addresses read from one field; the rest is ignored."""
MAX_TOKENS = 10_000
"""Tokens read from one field by the careful scan; the rest is ignored."""


class Mailbox(NamedTuple):
    """One entry of a list, quotes removed, in the order of an IMAP address (RFC 3501 7.4.2).

    A group is opened by (None, None, its name, None) and closed by four times None. `domain` is
    "" where the address has none.
    """

    name: str | None
    route: str | None
    local: str | None
    domain: str | None


_GROUP_END = Mailbox(None, None, None, None)

# The characters are octets: those of Latin-1 that are white space there are parts of letters here.
_SPACE = " \t\r\n\f\v"
# `Name <local@domain>`, `"Name" <local@domain>` and `local@domain` up to the comma or the end:
# nearly every address that is ever seen takes this road.
_PLAIN = re.compile(
    r'[ \t]*+(?:(?:"([^"\\]*+)"[ \t]*+|([^\s"(),:;<>@\\\[\]][^"(),:;<>@\\\[\]]*+))?'
    r'<([^\s"(),:;<>@\\\[\]]++)@([^\s"(),:;<>@\\\[\]]++)>'
    r'|([^\s"(),:;<>@\\\[\]]++)@([^\s"(),:;<>@\\\[\]]++))[ \t]*+(?:,|$)',
    re.ASCII,
)
_TOKEN = re.compile(
    r"[\s\x00]*+(?:"
    r'"((?:[^"\\]++|\\.)*+)"?'
    r"|\(([^()\\]*+)\)"
    r"|([(),:;<>@])"
    r'|(\[[^\[\]"<>]*+\]?|[^\s\x00"(),:;<>@]++))',
    re.ASCII | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"[()]|\\.", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def scan(value: str) -> list[Mailbox]:
    """Return the entries of an address list; never raises, linear in its length.

    Keeps what is wrong but readable: missing commas before `<`, missing domains, unclosed
    quotes, brackets, comments and groups. A comment serves as the name where there is no other.
    """
    out: list[Mailbox] = []
    position, length = 0, len(value)
    slow = _Slow(value)
    while position < length and len(out) < MAX_ADDRESSES:
        match = _PLAIN.match(value, position)
        if match is not None:
            quoted, phrase, local, domain, bare_local, bare_domain = match.groups()
            if bare_local is not None:
                out.append(Mailbox(None, None, bare_local, bare_domain))
            else:
                name = quoted if quoted is not None else phrase and phrase.rstrip(_SPACE)
                out.append(Mailbox(name or None, None, local, domain))
            position = match.end()
            continue
        position = slow.read(position, out)
    if slow.in_group:
        out.append(_GROUP_END)
    return out


class _Slow:
    """The careful scan of one field, used where the fast pattern does not fit."""

    def __init__(self, value: str) -> None:
        self.in_group = False
        self._value = value
        self._position = 0
        self._tokens_left = MAX_TOKENS
        self._outside: list[tuple[str, bool]] = []
        self._inside: list[tuple[str, bool]] = []
        self._behind: list[tuple[str, bool]] = []
        self._angle = False
        self._seen_angle = False
        self._comment = ""

    def read(self, position: int, out: list[Mailbox]) -> int:
        """Read one entry from `position`; return the offset behind the separator that ends it."""
        self._position = position
        ended = False
        while not ended:
            match = _TOKEN.match(self._value, self._position)
            self._tokens_left -= 1
            if match is None or self._tokens_left < 0:
                # Every character but white space begins a token.
                self._position = len(self._value)
                break
            self._position = match.end()
            quoted, comment, special, atom = match.groups()
            if comment is not None:
                self._comment = self._comment or comment.strip(_SPACE)
            elif special is None:
                word = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else atom
                self._words().append((word, quoted is not None))
            elif special == "(":
                self._skip_comment()
            else:
                ended = self._special(special, out)
        self._flush(out)
        if ended and self._value[self._position - 1] == ";" and self.in_group:
            out.append(_GROUP_END)
            self.in_group = False
        return self._position

    def _words(self) -> list[tuple[str, bool]]:
        if self._angle:
            return self._inside
        return self._behind if self._seen_angle else self._outside

    def _special(self, special: str, out: list[Mailbox]) -> bool:
        """Take one special character; True if it ends the entry."""
        if special == "<":
            if self._inside:
                # A second bracket without a comma between: a new address.
                behind = self._behind
                self._flush(out)
                self._outside = behind
            self._angle = self._seen_angle = True
        elif special == ">":
            self._angle = False
        elif special == ":" and not self._angle:
            return self._open_group(out)
        elif special == "," and self._angle and self._inside and self._inside[0] == ("@", False):
            self._inside.append((",", False))
        elif special in {",", ";"}:
            return True
        else:
            self._words().append((special, False))
        return False

    def _open_group(self, out: list[Mailbox]) -> bool:
        if self.in_group:
            return True
        name = " ".join(word for word, _ in self._outside)
        out.append(Mailbox(None, None, name, None))
        self._outside.clear()
        self.in_group = True
        return False

    def _skip_comment(self) -> None:
        depth, start, end = 1, self._position, len(self._value)
        self._position = end
        for edge in _COMMENT_EDGE.finditer(self._value, start):
            if edge[0] == "(":
                depth += 1
            elif edge[0] == ")":
                depth -= 1
                if depth == 0:
                    end, self._position = edge.start(), edge.end()
                    break
        if not self._comment:
            self._comment = _QUOTED_PAIR.sub(r"\1", self._value[start:end].strip(_SPACE))

    def _flush(self, out: list[Mailbox]) -> None:
        outside, inside = self._outside, self._inside
        if self._seen_angle:
            name = " ".join(word for word, _ in outside or self._behind)
            route, local, domain = _address(inside)
            if local or domain or name:
                out.append(Mailbox(name or self._comment or None, route, local, domain))
        elif outside:
            at = _last_at(outside)
            if at is None:
                word = " ".join(word for word, _ in outside)
                out.append(Mailbox(self._comment or None, None, word, ""))
            else:
                first = _start_of_local(outside, at)
                name = " ".join(word for word, _ in outside[:first])
                local = "".join(word for word, _ in outside[first:at])
                behind = _end_of_domain(outside, at)
                domain = "".join(word for word, _ in outside[at + 1 : behind])
                name = name or " ".join(word for word, _ in outside[behind:])
                out.append(Mailbox(name or self._comment or None, None, local, domain))
        self._outside, self._inside, self._behind, self._comment = [], [], [], ""
        self._seen_angle = self._angle = False


def _address(words: list[tuple[str, bool]]) -> tuple[str | None, str, str]:
    """Take the inside of angle brackets apart: source route, local part, domain."""
    route = None
    if words and words[0] == ("@", False) and (":", False) in words:
        colon = words.index((":", False))
        route = "".join(word for word, _ in words[:colon])
        words = words[colon + 1 :]
    at = _last_at(words)
    if at is None:
        return route, "".join(word for word, _ in words), ""
    local = "".join(word for word, _ in words[:at])
    return route, local, "".join(word for word, _ in words[at + 1 : _end_of_domain(words, at)])


def _last_at(words: list[tuple[str, bool]]) -> int | None:
    for index in range(len(words) - 1, -1, -1):
        if words[index] == ("@", False):
            return index
    return None


def _start_of_local(words: list[tuple[str, bool]], at: int) -> int:
    """Without brackets, words before the one that carries the `@` are the name.

    White space around the dots of a local part is obsolete but allowed (RFC 5322 4.4).
    """
    first = max(at - 1, 0)
    while first > 0 and (words[first][0].startswith(".") or words[first - 1][0].endswith(".")):
        first -= 1
    return first


def _end_of_domain(words: list[tuple[str, bool]], at: int) -> int:
    """What follows a domain without a dot is not part of it: `a@bank.test x` is of bank.test."""
    end = min(at + 2, len(words))
    while end < len(words) and (words[end][0].startswith(".") or words[end - 1][0].endswith(".")):
        end += 1
    return end

"""Cutting a client's bytes into commands, literals included (RFC 5804 1.2 and 4).

Literals come without being asked for (`{n+}`). Memory is bounded: a command with a literal beyond
the limit is skipped to its end, so that the next is read from its first byte; what cannot be
skipped ends the connection.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LITERAL = re.compile(rb"\{([0-9]{1,10})\+\}\Z")
MAX_LITERALS = 4
"""Of one command; none has more than two strings."""


class Limits(NamedTuple):
    """Octets of a command: `line` without its literals, each `literal`, what is skipped in all."""

    line: int = 8_192
    literal: int = 256 * 1024
    discard: int = 16 * 1024 * 1024


BEFORE_LOGIN = Limits(literal=4_096, discard=65_536)


class Frame(NamedTuple):
    """A whole command: text, literal, text ...; the marks of literals are taken off the texts."""

    parts: tuple[bytes, ...]


class TooLarge(NamedTuple):
    """A command was skipped whose literal is too large; `fatal`: it was not even skipped."""

    fatal: bool


Event = Frame | TooLarge


class Framer:
    """Takes bytes as they come, gives events one at a time; limits may change between two."""

    def __init__(self, limits: Limits = BEFORE_LOGIN) -> None:
        self.limits = limits
        self._parts: list[bytes] = []
        self._skipping = False
        self._skipped = self._text = 0
        self.reset()

    def reset(self) -> None:
        """Forget all that was read: what came in clear before TLS must not count after it."""
        self._buffer = bytearray()
        self._scanned = 0
        self._wanted = -1
        self._start()

    @property
    def buffered(self) -> int:
        """How many bytes are held, those of the command under way included."""
        return len(self._buffer) + sum(map(len, self._parts))

    def feed(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._buffer += data

    def next_event(self) -> Event | None:
        """The next event; None until more bytes are fed."""
        while True:
            if self._wanted >= 0:
                if not self._take_literal():
                    return None
                continue
            end = self._buffer.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = len(self._buffer)
                if self._text + len(self._buffer) > self.limits.line:
                    return self._give_up()
                return None
            event = self._line(bytes(self._buffer[:end]).removesuffix(b"\r"), end + 1)
            if event is not None:
                return event

    def _take_literal(self) -> bool:
        if self._skipping:
            taken = min(self._wanted, len(self._buffer))
            del self._buffer[:taken]
            self._wanted -= taken
            if self._wanted:
                return False
            self._wanted = -1
            return True
        if len(self._buffer) < self._wanted:
            return False
        self._parts.append(bytes(self._buffer[: self._wanted]))
        del self._buffer[: self._wanted]
        self._wanted = -1
        return True

    def _line(self, line: bytes, size: int) -> Event | None:
        del self._buffer[:size]
        self._scanned = 0
        self._text += size
        if self._text > self.limits.line:
            return self._give_up()
        literal = _LITERAL.search(line)
        if literal is None:
            self._parts.append(line)
            event: Event = TooLarge(fatal=False) if self._skipping else Frame(tuple(self._parts))
            self._start()
            return event
        self._parts.append(line[: literal.start()])
        self._wanted = int(literal[1])
        if len(self._parts) // 2 >= MAX_LITERALS:
            return self._give_up()
        if self._wanted > self.limits.literal:
            self._skipping = True
        if self._skipping:
            self._skipped += self._wanted
            if self._skipped > self.limits.discard:
                return self._give_up()
            self._parts = [b""] * len(self._parts)
            self._parts.append(b"")
        return None

    def _start(self) -> None:
        self._parts = []
        self._skipping = False
        self._skipped = self._text = 0

    def _give_up(self) -> Event:
        self.reset()
        return TooLarge(fatal=True)

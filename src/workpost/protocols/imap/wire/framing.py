"""Cutting a client's bytes into commands, literals included (RFC 3501 section 4.3, RFC 7888).

The framer knows lines and literals and nothing of commands, but for APPEND, whose literal is a
whole message and has a limit of its own. Its memory is bounded by its limits: a command that
goes beyond one is skipped to its end, so that the next command is read from its first byte.
"""

from __future__ import annotations

import re

import msgspec

_LITERAL = re.compile(rb"\{(\d{1,19})(\+?)\}\Z")
_HEAD = re.compile(rb"([^\x00-\x20\x7f-\xff(){%*\"\\+]{1,255}) +([A-Za-z]+)")


class Limits(msgspec.Struct, frozen=True):
    """What one command may take, in bytes (`literals`: in number).

    `line` bounds the text of a command without its literals, `literal` the sum of its literals,
    `message` the literals of APPEND, `discard` what is read and thrown away of a command that
    is too big before the connection is given up.
    """

    line: int = 65_536
    literal: int = 65_536
    message: int = 40 * 1024 * 1024
    literals: int = 1_000
    discard: int = 64 * 1024 * 1024


BEFORE_LOGIN = Limits(line=8_192, literal=8_192, message=8_192, literals=10, discard=65_536)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A whole command: text, literal, text, literal, text ...; `{n}` is taken off the texts."""

    parts: tuple[bytes, ...]


class Continue(msgspec.Struct, frozen=True, gc=False):
    """The client waits for `+` before it sends its literal of `size` bytes."""

    size: int


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A command was too big and is skipped.

    `tag` is None when none could be read. With `fatal` the connection must be closed, for its
    bytes are no longer understood.
    """

    tag: bytes | None
    status: str
    code: str
    text: str
    fatal: bool = False


Event = Frame | Continue | Refused


class Framer:
    """Takes bytes as they come, gives events one at a time.

    Pull one event with `next_event`, act on it, pull the next: what a command changes (limits,
    `expect_line`, `reset`) then holds for the bytes that follow it.
    """

    __slots__ = (
        "_buffer",
        "_events",
        "_limits",
        "_literal_bytes",
        "_parts",
        "_raw_line",
        "_refused",
        "_scanned",
        "_skipped",
        "_text_bytes",
        "_wanted",
    )

    def __init__(self, limits: Limits = BEFORE_LOGIN) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._raw_line = False
        self._scanned = 0
        self._start_command()

    @property
    def limits(self) -> Limits:
        """The limits in force; they may be replaced between two commands."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits

    @property
    def buffered(self) -> int:
        """How many bytes wait to be cut."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._buffer += data

    def expect_line(self) -> None:
        """Treat the next line as plain text without literals (SASL answers, DONE)."""
        self._raw_line = True

    def reset(self) -> None:
        """Forget all that was read: what came in clear before STARTTLS must not count after it."""
        self._buffer = bytearray()
        self._raw_line = False
        self._scanned = 0
        self._start_command()

    def next_event(self) -> Event | None:
        """Return the next event, or None until more bytes are fed."""
        while True:
            if self._wanted:
                if not self._take_literal():
                    return None
                continue
            line = self._take_line()
            if line is None:
                return self._check_unfinished_line()
            event = self._line(line)
            if event is not None:
                return event

    def _start_command(self) -> None:
        self._parts.clear()
        self._text_bytes = 0
        self._literal_bytes = 0
        self._wanted = 0
        self._refused: Refused | None = None
        self._skipped = 0

    def _take_literal(self) -> bool:
        buffer = self._buffer
        if self._refused is not None:
            taken = min(self._wanted, len(buffer))
            del buffer[:taken]
            self._wanted -= taken
            self._skipped += taken
            return not self._wanted
        if len(buffer) < self._wanted:
            return False
        with memoryview(buffer) as view:
            self._parts.append(bytes(view[: self._wanted]))
        del buffer[: self._wanted]
        self._wanted = 0
        return True

    def _take_line(self) -> bytes | None:
        buffer = self._buffer
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(buffer)
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        self._scanned = 0
        return line.removesuffix(b"\r")

    def _check_unfinished_line(self) -> Event | None:
        buffer = self._buffer
        if self._text_bytes + len(buffer) > self._limits.line and self._refused is None:
            self._refuse(bytes(buffer[:300]), "Command line too long")
        if self._refused is not None:
            keep = 24  # the longest `{n+}` with its line end, so a literal is still recognised
            cut = max(0, len(buffer) - keep)
            del buffer[:cut]
            self._skipped += cut
            self._scanned = len(buffer)
            if self._skipped > self._limits.discard:
                return self._give_up()
        return None

    def _line(self, line: bytes) -> Event | None:
        self._text_bytes += len(line)
        if self._text_bytes > self._limits.line and self._refused is None:
            self._refuse(line[:300], "Command line too long")
        if self._refused is not None:
            self._skipped += len(line)
        literal = None if self._raw_line else _LITERAL.search(line, max(0, len(line) - 24))
        if literal is None:
            self._raw_line = False
            self._parts.append(line)
            return self._finish()
        return self._announce(line, literal)

    def _announce(self, line: bytes, literal: re.Match[bytes]) -> Event | None:
        size, synchronizing = int(literal[1]), not literal[2]
        if self._refused is None:
            self._parts.append(line[: literal.start()])
            self._literal_bytes += size
            self._check_literal()
        if synchronizing:
            if self._refused is not None:
                return self._finish()
            self._wanted = size
            if not size:
                self._parts.append(b"")
            return Continue(size)
        if not size and self._refused is None:
            self._parts.append(b"")
        self._wanted = size
        if self._refused is not None and self._skipped + size > self._limits.discard:
            return self._give_up()
        return None

    def _check_literal(self) -> None:
        line = self._parts[0]
        head = _HEAD.match(line)
        if len(self._parts) // 2 >= self._limits.literals:
            self._refuse(line, "Too many literals")
        elif head is not None and head[2].upper() == b"APPEND":
            if self._literal_bytes > self._limits.message:
                self._refuse(line, "Message too big", status="NO", code="TOOBIG")
        elif self._literal_bytes > self._limits.literal:
            self._refuse(line, "Literal too big", code="TOOBIG")

    def _refuse(self, line: bytes, text: str, *, status: str = "BAD", code: str = "") -> None:
        head = _HEAD.match(self._parts[0] if self._parts else line)
        self._parts.clear()
        self._refused = Refused(head[1] if head else None, status, code, text)

    def _finish(self) -> Event:
        event: Event = self._refused if self._refused is not None else Frame(tuple(self._parts))
        self._start_command()
        return event

    def _give_up(self) -> Event:
        refused = self._refused
        self.reset()
        tag = refused.tag if refused is not None else None
        return Refused(tag, "BAD", "", "Command too big", fatal=True)

"""The grammar of Sieve (RFC 5228 8.2): from tokens to nested commands, knowing none of them."""

from __future__ import annotations

from typing import NamedTuple

from workpost.formats.sieve.errors import SieveError
from workpost.formats.sieve.lexer import Kind, Token, tokens
from workpost.formats.sieve.limits import MAX_COMMANDS, MAX_NESTING, MAX_STRINGS


class Tag(NamedTuple):
    """A tagged argument's name, with its colon, in lower case."""

    name: str


Argument = Tag | int | str | tuple[str, ...]


class Node(NamedTuple):
    """A command or test as it is written. `block` is None where there is none."""

    name: str
    line: int
    arguments: list[Argument]
    tests: list[Node]
    block: list[Node] | None


def parse(source: bytes) -> list[Node]:
    """The commands of a script. Raises SieveError."""
    return _Parser(source).commands(0, Kind.END)


class _Parser:
    """Recursive descent, a token ahead."""

    def __init__(self, source: bytes) -> None:
        self._tokens = tokens(source)
        self._count = 0
        self._next = next(self._tokens)

    def _take(self) -> Token:
        token = self._next
        if token.kind is not Kind.END:
            self._next = next(self._tokens)
        return token

    def _is_mark(self, mark: str) -> bool:
        return self._next.kind is Kind.MARK and self._next.text == mark

    def _expect(self, mark: str) -> None:
        token = self._take()
        if token.kind is not Kind.MARK or token.text != mark:
            raise SieveError(f"{mark!r} is missing before {_shown(token)}", token.line)

    def commands(self, depth: int, end: Kind) -> list[Node]:
        """Commands up to the end of the script, or up to the brace that ends a block."""
        found: list[Node] = []
        while True:
            if end is Kind.END and self._next.kind is Kind.END:
                return found
            if end is Kind.MARK and self._is_mark("}"):
                self._take()
                return found
            found.append(self._command(depth))

    def _command(self, depth: int) -> Node:
        node = self._head("a command", depth)
        if self._is_mark("{"):
            self._take()
            block = self.commands(depth + 1, Kind.MARK)
            return node._replace(block=block)
        self._expect(";")
        return node

    def _head(self, what: str, depth: int) -> Node:
        token = self._take()
        if token.kind is not Kind.WORD:
            raise SieveError(f"{_shown(token)} stands where {what} is expected", token.line)
        self._count += 1
        if self._count > MAX_COMMANDS:
            raise SieveError(f"there are more than {MAX_COMMANDS} commands and tests", token.line)
        if depth > MAX_NESTING:
            raise SieveError(f"there are more than {MAX_NESTING} levels", token.line)
        arguments = self._arguments()
        tests = self._tests(depth)
        return Node(token.text, token.line, arguments, tests, None)

    def _arguments(self) -> list[Argument]:
        found: list[Argument] = []
        while True:
            kind = self._next.kind
            if kind is Kind.STRING:
                found.append(self._take().text)
            elif kind is Kind.NUMBER:
                found.append(self._take().number)
            elif kind is Kind.TAG:
                found.append(Tag(self._take().text))
            elif self._is_mark("["):
                found.append(self._strings())
            else:
                return found

    def _strings(self) -> tuple[str, ...]:
        line = self._take().line
        found: list[str] = []
        while True:
            token = self._take()
            if token.kind is not Kind.STRING:
                raise SieveError(f"{_shown(token)} stands where a string is expected", token.line)
            found.append(token.text)
            if len(found) > MAX_STRINGS:
                raise SieveError(f"a list has more than {MAX_STRINGS} strings", line)
            if self._is_mark("]"):
                self._take()
                return tuple(found)
            self._expect(",")

    def _tests(self, depth: int) -> list[Node]:
        if self._next.kind is Kind.WORD:
            return [self._head("a test", depth + 1)]
        if not self._is_mark("("):
            return []
        self._take()
        found = [self._head("a test", depth + 1)]
        while not self._is_mark(")"):
            self._expect(",")
            found.append(self._head("a test", depth + 1))
        self._take()
        return found


def _shown(token: Token) -> str:
    return token.kind.value if token.kind in (Kind.END, Kind.STRING) else repr(token.text)

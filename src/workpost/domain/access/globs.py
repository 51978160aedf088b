"""Wildcard patterns and variables of IAM policies, matched in time proportional to both lengths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

Context = Mapping[str, tuple[str, ...]]
"""Condition keys in lower case with their values."""

ANY: Final = "*"
ONE: Final = "?"

_VARIABLE = re.compile(r"\$\{\s*([*?$]|[A-Za-z0-9_.:/=+@-]+)\s*(?:,\s*'([^']*)'\s*)?\}")


class Piece(msgspec.Struct, frozen=True):
    """A part of a pattern: literal text, a wildcard, or a variable."""

    kind: str
    """`text`, `*`, `?` or `variable`."""
    text: str = ""
    default: str | None = None


def parse_pattern(source: str, *, wildcards: bool, variables: bool) -> tuple[Piece, ...]:
    """Split a policy value; raises ValueError for a `${` that is no variable."""
    pieces: list[Piece] = []
    at = 0
    while at < len(source):
        character = source[at]
        if variables and source.startswith("${", at):
            match = _VARIABLE.match(source, at)
            if match is None:
                raise ValueError(f"malformed policy variable in {source!r}")
            name, default = match.groups()
            if name in {"*", "?", "$"}:
                pieces.append(Piece("text", name))
            else:
                pieces.append(Piece("variable", name.lower(), default))
            at = match.end()
            continue
        if wildcards and character in {ANY, ONE}:
            pieces.append(Piece(character))
        elif pieces and pieces[-1].kind == "text":
            pieces[-1] = Piece("text", pieces[-1].text + character)
        else:
            pieces.append(Piece("text", character))
        at += 1
    return tuple(pieces)


def resolve(pieces: tuple[Piece, ...], context: Context) -> tuple[Piece, ...] | None:
    """Put values in place of variables, as literal text; None when one has no single value."""
    if all(piece.kind != "variable" for piece in pieces):
        return pieces
    out = []
    for piece in pieces:
        if piece.kind == "variable":
            values = context.get(piece.text, ())
            if len(values) == 1:
                piece = Piece("text", values[0])
            elif piece.default is not None and not values:
                piece = Piece("text", piece.default)
            else:
                return None
        out.append(piece)
    return tuple(out)


def literal(pieces: tuple[Piece, ...]) -> str:
    """The text of a resolved pattern that was parsed without wildcards."""
    return "".join(piece.text for piece in pieces)


def glob(pieces: tuple[Piece, ...], text: str) -> bool:
    """True when the whole text fits; `*` is any run of characters, `?` exactly one."""
    return _compiled(pieces).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pieces: tuple[Piece, ...]) -> re.Pattern[str]:
    runs = [""]
    for piece in pieces:
        if piece.kind == ANY:
            runs.append("")
        else:
            runs[-1] += "." if piece.kind == ONE else re.escape(piece.text)
    first, *others = runs
    if not others:
        return re.compile(first, re.DOTALL)
    # The first place where the text between two stars fits is as good as any later one, so each
    # step is atomic and nothing is ever tried twice.
    last = others.pop()
    middle = "".join(f"(?>.*?{run})" for run in others if run)
    return re.compile(f"{first}{middle}.*{last}", re.DOTALL)


def split_arn(pieces: tuple[Piece, ...]) -> list[tuple[Piece, ...]]:
    """Cut a resolved pattern at its first five colons; missing components are wildcards."""
    parts: list[list[Piece]] = [[]]
    for piece in pieces:
        text = piece.text
        while piece.kind == "text" and len(parts) < 6 and ":" in text:
            head, _, text = text.partition(":")
            parts[-1].append(Piece("text", head))
            parts.append([])
        parts[-1].append(Piece(piece.kind, text))
    while len(parts) < 6:
        parts.append([Piece(ANY)])
    return [tuple(part) for part in parts]


def arn_like(pieces: tuple[Piece, ...], arn: str) -> bool:
    """True when each of the six components of an ARN fits its own pattern."""
    if pieces == (Piece(ANY),):
        return True
    components = arn.split(":", 5)
    return len(components) == 6 and all(map(glob, split_arn(pieces), components))

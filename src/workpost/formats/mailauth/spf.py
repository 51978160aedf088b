"""SPF records: their grammar (RFC 7208 12) and the expansion of macros (RFC 7208 7). No DNS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote

import msgspec

MAX_RECORD = 16_384
"""Characters of a record that is read; no name can carry more in one UDP answer."""
MAX_TERMS = 1_000
MAX_EXPANDED = 16_384
"""Characters of an expanded text, which a record of 16 KiB could make megabytes of."""
MAX_NAME = 253
REMEMBERED = 2_048
REMEMBERED_LENGTH = 512
"""This many records up to this long are kept read."""

VERSION = "v=spf1"
RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
LOOKUPS = frozenset({"include", "a", "mx", "ptr", "exists"})
"""Mechanisms that ask the DNS, of which there may be ten (RFC 7208 4.6.4)."""

_MACRO = re.compile(r"%\{([A-Za-z])([0-9]*+)([rR]?)([.\-+,/_=]*+)\}|%([%_-])|([!-$&-~]++)")
_TOP_LABEL = re.compile(r"\.([A-Za-z0-9-]++)\.?\Z")
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*+)=")
_CIDR = re.compile(r"(?:/([0-9]++))?(?://([0-9]++))?\Z")
_LITERALS = {"%": "%", "_": " ", "-": "%20"}
_LETTERS = frozenset("slodiphv")
_LETTERS_OF_TEXTS = _LETTERS | frozenset("crt")


class SpfError(ValueError):
    """The text is no SPF record of RFC 7208: permerror; the message says what is wrong."""


class Macro(msgspec.Struct, frozen=True):
    """One `%{...}`: the last `parts` (0: all) of its value, split at `delimiters`."""

    letter: str
    parts: int
    is_reversed: bool
    delimiters: str
    is_escaped: bool


class Spec(msgspec.Struct, frozen=True):
    """A domain-spec or an explanation: literals and macros, `letters` those that are used."""

    parts: tuple[str | Macro, ...]
    letters: frozenset[str]


class Mechanism(msgspec.Struct, frozen=True):
    """One mechanism: what a match results in, and what is to be compared.

    `target` is None for the domain that is checked. `bits4` and `bits6` are prefix lengths;
    `network` is that of `ip4` and `ip6`, cut to its prefix.
    """

    kind: str
    result: str
    target: Spec | None = None
    bits4: int = 32
    bits6: int = 128
    network: int = 0


class SpfRecord(msgspec.Struct, frozen=True):
    """A record: its mechanisms in order, and where to go on when none matches."""

    mechanisms: tuple[Mechanism, ...]
    redirect: Spec | None = None
    explanation: Spec | None = None


def is_spf(text: str) -> bool:
    """Whether a TXT record is one of SPF, good or bad (RFC 7208 4.5)."""
    return text[:6].lower() == VERSION and text[6:7] in {"", " "}


def parse_spf(text: str) -> SpfRecord:
    """Read a record for which `is_spf` holds; all of it is checked. Raises SpfError."""
    return _remembered(text) if len(text) <= REMEMBERED_LENGTH else _parse(text)


def _parse(text: str) -> SpfRecord:
    if len(text) > MAX_RECORD:
        raise SpfError("the record is too long")
    if not text.isascii():
        raise SpfError("the record is not ASCII")
    terms = text[6:].split(" ", MAX_TERMS)
    if len(terms) > MAX_TERMS:
        raise SpfError("the record has too many terms")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, Spec] = {}
    for term in terms:
        if not term:
            continue
        named = _MODIFIER.match(term)
        if named is None:
            mechanisms.append(_mechanism(term))
            continue
        name, value = named[1].lower(), term[named.end() :]
        if name not in {"redirect", "exp"}:
            _spec(value, _LETTERS)
        elif name in modifiers:
            raise SpfError(f"{name}= stands twice")
        else:
            modifiers[name] = domain_spec(value)
    return SpfRecord(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


_remembered = lru_cache(REMEMBERED)(_parse)


def _mechanism(term: str) -> Mechanism:
    result = RESULTS.get(term[0])
    name = term if result is None else term[1:]
    result = result or "pass"
    # Whatever ends the name first, a colon or a slash, begins the argument.
    colon, slash = name.find(":"), name.find("/")
    ends = [end for end in (colon, slash) if end >= 0]
    end = min(ends) if ends else len(name)
    kind, rest = name[:end].lower(), name[end:]
    if kind == "all":
        if rest:
            raise SpfError("all takes no argument")
        return Mechanism(kind, result)
    if kind in {"ip4", "ip6"}:
        return _network(kind, result, rest)
    if kind in {"a", "mx"}:
        match = _CIDR.search(rest)
        bits4 = _bits(match and match[1], 32)
        bits6 = _bits(match and match[2], 128)
        target = rest[: match.start()] if match else rest
        return Mechanism(kind, result, _target(kind, target), bits4, bits6)
    if kind in {"include", "exists"}:
        if not rest:
            raise SpfError(f"{kind} needs a domain")
        return Mechanism(kind, result, _target(kind, rest))
    if kind == "ptr":
        return Mechanism(kind, result, _target(kind, rest))
    raise SpfError("there is an unknown mechanism")


def _target(kind: str, text: str) -> Spec | None:
    if not text:
        return None
    if text[0] != ":":
        raise SpfError(f"the argument of {kind} is malformed")
    return domain_spec(text[1:])


def _bits(digits: str | None, most: int) -> int:
    if digits is None:
        return most
    if len(digits) > 3 or (len(digits) > 1 and digits[0] == "0") or int(digits) > most:
        raise SpfError("there is an impossible prefix length")
    return int(digits)


def _network(kind: str, result: str, rest: str) -> Mechanism:
    address, slash, digits = rest[1:].partition("/")
    if rest[:1] != ":" or (slash and not (digits.isascii() and digits.isdigit())):
        raise SpfError(f"the argument of {kind} is malformed")
    most = 32 if kind == "ip4" else 128
    bits = _bits(digits if slash else None, most)
    try:
        if "%" in address:
            raise AddressValueError
        whole = int(IPv4Address(address) if kind == "ip4" else IPv6Address(address))
    except AddressValueError:
        raise SpfError(f"the address of {kind} is malformed") from None
    network = whole >> (most - bits) << (most - bits)
    return Mechanism(kind, result, None, bits, bits, network)


def domain_spec(text: str) -> Spec:
    """Read a domain-spec (RFC 7208 7.1). Raises SpfError."""
    spec, ends_in_macro = _spec(text, _LETTERS)
    if not spec.parts:
        raise SpfError("a domain is missing")
    if not ends_in_macro:
        top = _TOP_LABEL.search(text)
        if top is None or top[1].isdigit() or "-" in {top[1][0], top[1][-1]}:
            raise SpfError("a domain does not end in a top-level label")
    return spec


def explanation(text: str) -> Spec:
    """Read the text that `exp=` leads to (RFC 7208 6.2). Raises SpfError."""
    if len(text) > MAX_RECORD or not text.isascii():
        raise SpfError("the explanation is too long or not ASCII")
    return _spec(text, _LETTERS_OF_TEXTS, spaces=True)[0]


def _spec(text: str, letters: frozenset[str], *, spaces: bool = False) -> tuple[Spec, bool]:
    """The parts of a text, and whether the last of them is a macro."""
    parts: list[str | Macro] = []
    used = set()
    position = 0
    literal: str | None = None
    while position < len(text):
        if spaces and text[position] == " ":
            parts.append(" ")
            position += 1
            continue
        match = _MACRO.match(text, position)
        if match is None:
            raise SpfError("there is a malformed macro or a character that may not be there")
        position = match.end()
        letter, digits, backwards, delimiters, escape, literal = match.groups()
        if literal is not None:
            parts.append(literal)
        elif escape is not None:
            parts.append(_LITERALS[escape])
        else:
            parts.append(_macro(letter, digits, bool(backwards), delimiters, letters))
            used.add(letter.lower())
    return Spec(tuple(parts), frozenset(used)), bool(parts) and literal is None


def _macro(
    letter: str, digits: str, backwards: bool, delimiters: str, letters: frozenset[str]
) -> Macro:
    if letter.lower() not in letters:
        raise SpfError("there is an unknown macro")
    count = int(digits[:4]) if digits else 0
    if digits and not digits.strip("0"):
        raise SpfError("a macro asks for no part at all")
    return Macro(letter.lower(), count, backwards, delimiters or ".", letter.isupper())


def expand(spec: Spec, values: Mapping[str, str]) -> str:
    """The text of a spec; `values` has those of its letters. Raises SpfError for too long a one."""
    if not spec.letters:
        return "".join(spec.parts)  # type: ignore[arg-type]  # without letters there is no macro
    out = "".join(
        part if isinstance(part, str) else _value(part, values[part.letter]) for part in spec.parts
    )
    if len(out) > MAX_EXPANDED:
        raise SpfError("a macro expands to too much")
    return out


def _value(macro: Macro, value: str) -> str:
    if macro.parts or macro.is_reversed or macro.delimiters != ".":
        for delimiter in macro.delimiters[1:]:
            value = value.replace(delimiter, macro.delimiters[0])
        pieces = value.split(macro.delimiters[0])
        if macro.is_reversed:
            pieces.reverse()
        value = ".".join(pieces[-macro.parts :])
    return quote(value, safe="") if macro.is_escaped else value


def expand_name(spec: Spec, values: Mapping[str, str]) -> str:
    """The domain name of a spec, at most 253 characters: labels on the left go (RFC 7208 7.3)."""
    name = expand(spec, values).removesuffix(".")
    while len(name) > MAX_NAME:
        _, dot, name = name.partition(".")
        if not dot:
            break
    return name

"""Inputs against the service model: types, then constraints, in one walk by compiled closures.

`compile_input` turns a structure shape of a botocore model into a function that keeps what is
modelled, drops the rest, and words every broken constraint as the services of WorkMail's
generation do. Closures see a value that is not null, the path before it and its own name; the
path is put together only when there is something to say.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from workpost.protocols.api.wire.body import MalformedBody
from workpost.protocols.api.wire.patterns import java_pattern
from workpost.protocols.api.wire.rendering import compile_mask

Shapes = Mapping[str, Mapping[str, Any]]
Check = Callable[[Any, str, str, list[str]], Any]
Constraint = tuple[str, Callable[[Any], bool]]

MAX_VIOLATIONS = 100
PRIMITIVES = frozenset({"Boolean"})
"""Shapes whose absence SDKs with primitive types cannot express: never reported as missing."""
NOT_NULL = "Member must not be null"
WITHOUT_NUL = r"Member must satisfy regular expression pattern: [^\u0000]*"

INTEGER_RANGES = {"integer": 1 << 31, "long": 1 << 63}
JSON_KINDS = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}


class TooManyViolations(Exception):
    """Enough was found to say; an input of a megabyte gets no answer of ten."""


def wrong_type(value: object, wanted: str) -> MalformedBody:
    """The services' text for a value of another type than modelled."""
    if isinstance(value, dict):
        return MalformedBody("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return MalformedBody("Start of list found where not expected.")
    if isinstance(value, bool):
        return MalformedBody(f"{str(value).upper()}_VALUE can not be converted to {wanted}")
    kind = JSON_KINDS.get(type(value), "NULL_VALUE")
    return MalformedBody(f"{kind} can not be converted to {wanted}")


def compile_input(
    shapes: Shapes, name: str
) -> Callable[[object], tuple[dict[str, Any], list[str]]]:
    """Make the reader of one input structure.

    The reader returns the modelled part of a document and the list of violations, at most
    `MAX_VIOLATIONS`; it raises MalformedBody for a wrong type.
    """
    check = _Compiler(shapes).check(name)

    def read(document: object) -> tuple[dict[str, Any], list[str]]:
        found: list[str] = []
        try:
            return check(document, "", "", found), found
        except TooManyViolations:
            return {}, found[:MAX_VIOLATIONS]

    return read


def show(value: object) -> str:
    """A value as the services print it inside a violation."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={show(item)}" for key, item in value.items()) + "}"
    return "null" if value is None else str(value)


def lowered(name: str) -> str:
    """A member's name in a path: first letter in lower case (`resourceARN`, `s3BucketName`)."""
    return name[:1].lower() + name[1:]


def utf16_length(text: str) -> int:
    """Length as Java counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def violation(value: object, path: str, constraint: str, *, sensitive: bool = False) -> str:
    """One violation; sensitive values are left out."""
    shown = "" if sensitive else f" '{show(value)}'"
    return f"Value{shown} at '{path}' failed to satisfy constraint: {constraint}"


def missing(path: str) -> str:
    """The violation of a required member that is absent or null."""
    return f"Value null at '{path}' failed to satisfy constraint: {NOT_NULL}"


def constraints_of(shape: Mapping[str, Any]) -> list[Constraint]:
    """Texts and tests of a shape's constraints, in the order length or range, pattern, enum."""
    rules: list[Constraint] = []
    low, high = shape.get("min"), shape.get("max")
    numeric = shape["type"] not in {"string", "list", "blob"}
    noun = "value" if numeric else "length"
    size: Callable[[Any], int] = utf16_length if shape["type"] == "string" else len
    if low is not None:
        text = f"Member must have {noun} greater than or equal to {low}"
        rules.append((text, (lambda v: v >= low) if numeric else (lambda v: size(v) >= low)))
    if high is not None:
        text = f"Member must have {noun} less than or equal to {high}"
        rules.append((text, (lambda v: v <= high) if numeric else (lambda v: size(v) <= high)))
    if "pattern" in shape:
        pattern = shape["pattern"]
        text = f"Member must satisfy regular expression pattern: {pattern}"
        rules.append((text, _matcher(pattern, empty_allowed=low == 0)))
    if "enum" in shape:
        text = f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]"
        rules.append((text, frozenset(shape["enum"]).__contains__))
    nul = "\0" * max(1, low or 1)
    if shape["type"] == "string" and all(holds(nul) for _, holds in rules):
        # No name or text means anything with it, and not every database can store it.
        rules.append((WITHOUT_NUL, lambda v: "\0" not in v))
    return rules


def _matcher(pattern: str, *, empty_allowed: bool) -> Callable[[str], bool]:
    """A full match, compiled when first needed; a shape of length 0 may be empty whatever else."""
    compiled: re.Pattern[str] | None = None

    def matches(text: str) -> bool:
        nonlocal compiled
        if compiled is None:
            compiled = java_pattern(pattern)
        return compiled.fullmatch(text) is not None or (empty_allowed and not text)

    return matches


class _Compiler:
    """Makes one closure per shape; a shape that holds itself finds its unfinished closure."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._checks: dict[str, Check] = {}

    def check(self, name: str) -> Check:
        known = self._checks.get(name)
        if known is not None:
            return known
        shape = self._shapes[name]
        if shape["type"] == "structure":
            return self._structure(name, shape)
        if shape["type"] == "list":
            check = self._list(shape)
        else:
            check = _scalar(shape)
        self._checks[name] = check
        return check

    def _structure(self, name: str, shape: Mapping[str, Any]) -> Check:
        members: list[tuple[str, str, Check, bool]] = []

        def check(value: Any, before: str, own: str, found: list[str]) -> dict[str, Any]:
            if type(value) is not dict:
                raise wrong_type(value, "a structure")
            prefix = f"{before}{own}." if own else ""
            kept = {}
            get = value.get
            for member, path_name, check_member, required in members:
                item = get(member)
                if item is not None:
                    kept[member] = check_member(item, prefix, path_name, found)
                elif required:
                    found.append(missing(prefix + path_name))
            return kept

        self._checks[name] = check
        required = shape.get("required", ())
        for member, reference in shape.get("members", {}).items():
            target = reference["shape"]
            wire_name = reference.get("locationName", member)
            needed = member in required and target not in PRIMITIVES
            members.append((wire_name, lowered(wire_name), self.check(target), needed))
        return check

    def _list(self, shape: Mapping[str, Any]) -> Check:
        element = self._shapes[shape["member"]["shape"]]
        rules = constraints_of(shape)
        sensitive = bool(shape.get("sensitive") or element.get("sensitive"))
        nested = element["type"] in {"structure", "list"}
        each = self.check(shape["member"]["shape"])
        element_rules = [] if nested else constraints_of(element)
        mask, _ = compile_mask(self._shapes, shape["member"]["shape"])

        def check(value: Any, before: str, own: str, found: list[str]) -> list[Any]:
            if type(value) is not list:
                raise wrong_type(value, "a list")
            for text, holds in rules:
                if not holds(value):
                    shown = [mask(item) for item in value]
                    found.append(violation(shown, before + own, text, sensitive=sensitive))
            if nested:
                return _each_nested(each, value, f"{before}{own}.", found)
            broken: list[str] = []
            kept = [None if item is None else each(item, "", "", broken) for item in value]
            if broken or None in kept:
                texts = [text for text, _ in element_rules]
                if None in kept:
                    texts.append(NOT_NULL)
                text = f"Member must satisfy constraint: [{', '.join(texts)}]"
                found.append(violation(value, before + own, text, sensitive=sensitive))
            return kept

        return check


def _each_nested(each: Check, values: list[Any], prefix: str, found: list[str]) -> list[Any]:
    kept: list[Any] = []
    for number, item in enumerate(values, 1):
        if item is None:
            found.append(missing(f"{prefix}{number}.member"))
        else:
            kept.append(each(item, prefix, f"{number}.member", found))
        if len(found) > MAX_VIOLATIONS:
            raise TooManyViolations
    return kept


def _scalar(shape: Mapping[str, Any]) -> Check:
    convert = CONVERTERS[shape["type"]]
    rules = constraints_of(shape)
    tests = tuple(holds for _, holds in rules)
    sensitive = bool(shape.get("sensitive"))

    def check(value: Any, before: str, own: str, found: list[str]) -> Any:
        value = convert(value)
        for holds in tests:
            if not holds(value):
                break
        else:
            return value
        for text, holds in rules:
            if not holds(value):
                found.append(violation(value, before + own, text, sensitive=sensitive))
        return value

    return check


def _string(value: Any) -> str:
    if type(value) is str:
        return value
    raise wrong_type(value, "a String")


def _boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise wrong_type(value, "a Boolean")


def _whole(limit: int, wanted: str) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if type(value) is int or (type(value) is float and value.is_integer()):
            number: int = int(value)
            if -limit <= number < limit:
                return number
        raise wrong_type(value, wanted)

    return convert


def _number(value: Any) -> float:
    if type(value) in {int, float}:
        return float(value)
    raise wrong_type(value, "a Double")


def _milliseconds(value: Any) -> int:
    """Seconds since the epoch, with a fraction, as milliseconds."""
    if type(value) in {int, float} and abs(value) < 1e12:
        milliseconds: int = round(value * 1000)
        return milliseconds
    raise wrong_type(value, "a Timestamp")


def _blob(value: Any) -> bytes:
    try:
        return base64.b64decode(_string(value), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedBody("STRING_VALUE can not be converted to a Blob") from None


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _whole(INTEGER_RANGES["integer"], "an Integer"),
    "long": _whole(INTEGER_RANGES["long"], "a Long"),
    "double": _number,
    "float": _number,
    "timestamp": _milliseconds,
    "blob": _blob,
}

"""Condition operators of IAM policies: refused when malformed, exact when evaluated."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from workpost.domain.access.globs import (
    Context,
    arn_like,
    glob,
    literal,
    parse_pattern,
    resolve,
)

Test = Callable[[str, Context], bool]
"""Does one value of the request fit one value of the policy?"""
Maker = Callable[[str, bool], Test]
"""Makes a test of a policy value; the flag allows variables. Raises ValueError."""

TAGS = ("aws:requesttag/", "aws:resourcetag/", "aws:principaltag/")
"""Keys that have several values only where several tags differ in nothing but upper case."""

_KEY = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_.:/=+@ -]+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
_EPOCH = re.compile(r"[0-9]{1,11}")


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One key under one operator, with the values that are ORed."""

    key: str
    negated: bool
    if_exists: bool
    quantifier: str
    """`ForAllValues`, `ForAnyValue` or empty."""
    null: bool | None
    """For the operator Null: must the key be absent? None for all others."""
    tests: tuple[Test, ...]

    def holds(self, context: Context, *, allow: bool) -> bool:
        """Evaluate; a missing key makes positive operators false and negated ones true.

        Which of two tags `stage` and `Stage` a policy means, nobody can tell: all must fit for a
        statement that allows, one is enough for a Deny.
        """
        values = context.get(self.key, ())
        if self.null is not None:
            return self.null is not bool(values)
        if not values:
            if self.quantifier == "ForAnyValue":
                return self.if_exists
            return self.if_exists or self.negated or self.quantifier == "ForAllValues"
        every = self.negated
        if self.key.startswith(TAGS):
            every = allow
        if self.quantifier == "ForAllValues" or (every and not self.quantifier):
            return all(self._fits(value, context) for value in values)
        return any(self._fits(value, context) for value in values)

    def _fits(self, value: str, context: Context) -> bool:
        return any(test(value, context) for test in self.tests) is not self.negated


def parse_conditions(block: Any, *, variables: bool) -> tuple[Condition, ...]:
    """Read the Condition element of a statement; raises ValueError."""
    if not isinstance(block, dict):
        raise ValueError("Condition must be an object")
    found = []
    for name, keys in block.items():
        if not isinstance(keys, dict) or not keys:
            raise ValueError(f"operator {name} must hold an object of condition keys")
        for key, values in keys.items():
            if _KEY.fullmatch(key) is None:
                raise ValueError(f"malformed condition key {key!r}")
            found.append(_parse_condition(name, key, _values(key, values), variables))
    return tuple(found)


def _values(key: str, values: Any) -> list[str]:
    texts = []
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, str | int | float):
            texts.append(str(value))
        else:
            raise ValueError(f"the values of {key} must be texts, numbers or booleans")
    if not texts:
        raise ValueError(f"{key} has no values")
    return texts


def _parse_condition(name: str, key: str, values: list[str], variables: bool) -> Condition:
    quantifier, colon, bare = name.rpartition(":")
    if colon and quantifier not in {"ForAllValues", "ForAnyValue"}:
        raise ValueError(f"unknown condition operator {name!r}")
    if_exists = bare.endswith("IfExists")
    bare = bare.removesuffix("IfExists")
    if bare == "Null":
        if if_exists or quantifier or len(values) != 1 or values[0] not in {"true", "false"}:
            raise ValueError("Null takes one boolean, no suffix and no prefix")
        null = values[0] == "true"
        return Condition(
            key=key.lower(), negated=False, if_exists=False, quantifier="", null=null, tests=()
        )
    known = OPERATORS.get(bare)
    if known is None:
        raise ValueError(f"unknown condition operator {name!r}")
    maker, negated = known
    return Condition(
        key=key.lower(),
        negated=negated,
        if_exists=if_exists,
        quantifier=quantifier,
        null=None,
        tests=tuple(maker(value, variables) for value in values),
    )


# --- one maker per family -------------------------------------------------------------------------


def _string_equals(source: str, variables: bool) -> Test:
    pieces = parse_pattern(source, wildcards=False, variables=variables)

    def test(value: str, context: Context) -> bool:
        wanted = resolve(pieces, context)
        return wanted is not None and literal(wanted) == value

    return test


def _string_equals_folded(source: str, variables: bool) -> Test:
    pieces = parse_pattern(source, wildcards=False, variables=variables)

    def test(value: str, context: Context) -> bool:
        wanted = resolve(pieces, context)
        return wanted is not None and literal(wanted).casefold() == value.casefold()

    return test


def _string_like(source: str, variables: bool) -> Test:
    pieces = parse_pattern(source, wildcards=True, variables=variables)

    def test(value: str, context: Context) -> bool:
        wanted = resolve(pieces, context)
        return wanted is not None and glob(wanted, value)

    return test


def _arn(source: str, variables: bool) -> Test:
    if source != "*" and not source.startswith("arn:"):
        raise ValueError(f"{source!r} is not an ARN")
    pieces = parse_pattern(source, wildcards=True, variables=variables)

    def test(value: str, context: Context) -> bool:
        wanted = resolve(pieces, context)
        return wanted is not None and arn_like(wanted, value)

    return test


def _compared(read: Callable[[str], float], compare: Callable[[float, float], bool]) -> Maker:
    def make(source: str, variables: bool) -> Test:
        wanted = read(source)

        def test(value: str, context: Context) -> bool:
            try:
                return compare(read(value), wanted)
            except ValueError:
                return False

        return test

    return make


def _read_number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def read_date(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 date or of epoch seconds; raises ValueError."""
    if _EPOCH.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a date") from None


def _bool(source: str, variables: bool) -> Test:
    wanted = source.lower()
    if wanted not in {"true", "false"}:
        raise ValueError(f"{source!r} is not a boolean")
    return lambda value, _: value.lower() == wanted


def _binary(source: str, variables: bool) -> Test:
    try:
        wanted = base64.b64decode(source, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{source!r} is not base64") from None

    def test(value: str, context: Context) -> bool:
        try:
            return base64.b64decode(value, validate=True) == wanted
        except (binascii.Error, ValueError):
            return False

    return test


def _ip(source: str, variables: bool) -> Test:
    network = ipaddress.ip_network(source, strict=False)

    def test(value: str, context: Context) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address in network

    return test


def _family(name: str, equals: Maker) -> dict[str, tuple[Maker, bool]]:
    return {f"{name}Equals": (equals, False), f"{name}NotEquals": (equals, True)}


def _ordered(name: str, read: Callable[[str], float]) -> dict[str, tuple[Maker, bool]]:
    return {
        **_family(name, _compared(read, operator.eq)),
        f"{name}LessThan": (_compared(read, operator.lt), False),
        f"{name}LessThanEquals": (_compared(read, operator.le), False),
        f"{name}GreaterThan": (_compared(read, operator.gt), False),
        f"{name}GreaterThanEquals": (_compared(read, operator.ge), False),
    }


OPERATORS: dict[str, tuple[Maker, bool]] = {
    **_family("String", _string_equals),
    "StringEqualsIgnoreCase": (_string_equals_folded, False),
    "StringNotEqualsIgnoreCase": (_string_equals_folded, True),
    "StringLike": (_string_like, False),
    "StringNotLike": (_string_like, True),
    **_ordered("Numeric", _read_number),
    **_ordered("Date", read_date),
    "Bool": (_bool, False),
    "BinaryEquals": (_binary, False),
    "IpAddress": (_ip, False),
    "NotIpAddress": (_ip, True),
    **_family("Arn", _arn),
    "ArnLike": (_arn, False),
    "ArnNotLike": (_arn, True),
}
"""Name without prefix and suffix: how a value is tested, and whether the answer is turned round."""

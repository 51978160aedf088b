"""Request bodies: strict JSON, bounded in size and depth."""

from __future__ import annotations

import orjson

MAX_BODY = 1 << 20
"""Bytes; the largest legal input, a rule with 2 x 1024 address ranges, is a twentieth of it."""
MAX_DEPTH = 64


class MalformedBody(Exception):
    """The body is not JSON, nests too deeply, or holds a value of another type than modelled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def parse_body(body: bytes) -> object:
    """Decode a body: UTF-8 without a byte order mark, no lone surrogates, the last of equal keys.

    An empty body is `{}`: old SDKs send nothing for an empty input. Raises MalformedBody.
    """
    if not body:
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedBody("The body is not valid JSON.") from None
    # Depth cannot exceed the number of opening brackets, so nearly every body skips the walk.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper_than(document, MAX_DEPTH):
        raise MalformedBody("The body is nested too deeply.")
    return document


def _deeper_than(document: object, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        following: list[object] = []
        for value in level:
            if isinstance(value, dict):
                following.extend(value.values())
            elif isinstance(value, list):
                following.extend(value)
        if not following:
            return False
        level = following
    return any(isinstance(value, dict | list) for value in level)

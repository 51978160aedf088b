"""The shape of a content that was placed before the transaction that refers to it."""

from __future__ import annotations

import msgspec

from workpost.kernel.clock import Environment

INLINE = 0
FILE = 1
S3 = 2


class Placed(msgspec.Struct, frozen=True, array_like=True):
    """A sealed content; `size` counts plaintext bytes, `sealed` is None unless it lies inline."""

    id: bytes
    size: int
    place: int
    sealed: bytes | None


def content_key(env: Environment) -> bytes:
    """A fresh random key for one content."""
    return env.random_bytes(32)

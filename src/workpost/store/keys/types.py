"""The shape of a key in clear."""

from __future__ import annotations

from functools import cached_property

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class DataKey(msgspec.Struct, frozen=True, dict=True):
    """A key of one scope and generation in clear: 32 bytes, held in memory at most 60 s."""

    gen: int
    key: bytes

    @cached_property
    def cipher(self) -> AESGCM:
        """The key made ready; it lives as long as the key itself and not longer."""
        return AESGCM(self.key)

    def __repr__(self) -> str:
        """Say nothing of the key: representations end in logs."""
        return f"DataKey(gen={self.gen})"

"""The shape of a key in clear."""

from __future__ import annotations

import msgspec


class DataKey(msgspec.Struct, frozen=True):
    """A key of one scope and generation in clear: 32 bytes, held in memory at most 60 s."""

    gen: int
    key: bytes

    def __repr__(self) -> str:
        """Say nothing of the key: representations end in logs."""
        return f"DataKey(gen={self.gen})"

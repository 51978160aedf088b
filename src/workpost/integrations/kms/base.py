"""The interface of a master: it wraps the system key and the organizations' data keys."""

from __future__ import annotations

from typing import Protocol

RING = "ring"
"""The parent of keys that the local key ring wraps; KMS keys are their ARN with `KMS` before."""
KMS = "kms:"


class Master(Protocol):
    """Wraps and unwraps 32-byte keys. Blocking; called in a thread, from several at once.

    Every method raises TryLater when the master cannot be reached.
    """

    def wrap(self, scope: str, gen: int, key: bytes) -> tuple[int, bytes]:
        """The version that wrapped (0 where the master keeps count by itself) and the wrap."""
        ...

    def unwrap(self, scope: str, gen: int, version: int, wrapped: bytes) -> bytes:
        """The key again. Raises Fault when the wrap belongs to another scope or is damaged."""
        ...

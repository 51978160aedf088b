"""The interface of an object store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol


class ObjectStore(Protocol):
    """Objects by name in one bucket. Blocking; called in threads, from several at once.

    Every method raises TryLater when the bucket is out of reach.
    """

    def put(self, name: str, data: bytes) -> None:
        """Write an object; durable when it returns."""
        ...

    def get(self, name: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive) of an object. Raises Fault when it is not there."""
        ...

    def size(self, name: str) -> int | None:
        """Length of an object, None when it is not there."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""
        ...

    def walk(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(name, last modified in ms) of every object whose name starts with `prefix`."""
        ...

"""The interface of a log group that takes lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from workpost.kernel.errors import WorkpostError

Line = tuple[int, bytes]
"""Time in milliseconds, and the line without its end."""

MAX_LINES = 10_000
MAX_BYTES = 1_048_576
OVERHEAD = 26
"""What PutLogEvents takes in one call: lines, and their bytes with 26 more for each."""
MAX_LINE = 262_144 - OVERHEAD
"""Bytes of one line."""
SPAN_MS = 24 * 3_600_000
"""Of the times in one call."""


class GroupMissing(WorkpostError):
    """The log group is not there, or says no; asking again does not help by itself."""


class LogGroup(Protocol):
    """One log group, seen by who may add lines. Blocking; called in threads.

    Every method raises GroupMissing, and TryLater when the group is out of reach.
    """

    def check(self) -> None:
        """Refuse a group that is not there."""
        ...

    def create(self, retention_days: int) -> None:
        """Make the group, with this retention, if it is not there."""
        ...

    def put(self, stream: str, lines: Sequence[Line]) -> int:
        """Append lines; durable when it returns.

        Returns how many the group has refused for good.
        """
        ...


class ReadableGroup(LogGroup, Protocol):
    """A log group that operators may read, too."""

    def read(self, since: int, limit: int) -> list[tuple[str, bytes]]:
        """The last `limit` lines since a time in ms or before it, each with its stream."""
        ...


def batches(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """Lines in the portions that one call of PutLogEvents takes; none is longer than MAX_LINE."""
    start = size = 0
    for end, (at, line) in enumerate(lines):
        weight = len(line) + OVERHEAD
        full = end - start >= MAX_LINES or size + weight > MAX_BYTES
        if end > start and (full or at - lines[start][0] >= SPAN_MS):
            yield lines[start:end]
            start, size = end, 0
        size += weight
    if start < len(lines):
        yield lines[start:]

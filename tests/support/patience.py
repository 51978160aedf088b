"""Time as this process lives it, for bounds that are promised behaviour.

A busy machine, or whoever stops the process for a while, makes a wall clock run ahead of what the
code under test could do. This one stands still meanwhile.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

BEAT = 0.01


class Stopwatch:
    """Counts the seconds in which this process had its turn, in steps of 10 ms.

    Only for what runs in this process; of a process that sleeps no beat is missed.
    """

    def __init__(self) -> None:
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Since it began, at most as many as a wall clock tells."""
        return self._beats * BEAT

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self._beats += 1

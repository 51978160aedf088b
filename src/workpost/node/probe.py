"""How late a front end's loop is: what everybody it serves waits for in addition."""

from __future__ import annotations

import asyncio
import time

from workpost.kernel import metrics

PERIOD = 0.02
"""Seconds between two looks; a look costs some microseconds."""

DELAY = metrics.histogram(
    "workpost_loop_delay_seconds",
    "How much later than asked for a timer of a front end's event loop ran.",
    buckets=(
        *(0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01),
        *(0.012, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0),
    ),
)


class LoopProbe:
    """A timer that observes its own delay, until it is stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look, and to tell what counters gather."""
        metrics.tell_regularly(True)
        self._wait()

    def _wait(self) -> None:
        # The loop's own clock stands still while a callback runs and counts milliseconds.
        self._due = time.monotonic() + PERIOD
        self._handle = self._loop.call_later(PERIOD, self._look)

    def _look(self) -> None:
        DELAY.observe(max(0.0, time.monotonic() - self._due))
        metrics.tell()
        self._wait()

    def stop(self) -> None:
        """Look no more."""
        metrics.tell_regularly(False)
        if self._handle is not None:
            self._handle.cancel()

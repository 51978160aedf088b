"""What the store counts about itself; the metrics endpoint reads it."""

from __future__ import annotations

import logging

import msgspec

BUDGET = 0.020
"""Seconds that one command may take inside its transaction."""

log = logging.getLogger("workpost.store")


class Counters(msgspec.Struct):
    """Counted since the start of the process; written by one thread each, read by any."""

    commands: int = 0
    refused: int = 0
    """Commands that ended with a domain error."""
    faults: int = 0
    commits: int = 0
    failed_commits: int = 0
    over_budget: int = 0
    slowest: float = 0.0
    """Seconds of the slowest command."""
    replayed: int = 0
    """Commands whose result was already recorded when they came again."""
    reconnects: int = 0
    quick_overruns: int = 0
    """Quick queries that were repeated in the pool."""
    read_overruns: int = 0

    def took(self, name: str, seconds: float) -> None:
        """Note how long a command took; a command over its budget is logged."""
        self.slowest = max(self.slowest, seconds)
        if seconds > BUDGET:
            self.over_budget += 1
            log.warning("command over budget: %s took %.1f ms", name, seconds * 1000)

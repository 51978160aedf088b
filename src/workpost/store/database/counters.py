"""What the store counts about itself: fields for tests and tools, metrics for operators."""

from __future__ import annotations

import logging
import time

import msgspec

from workpost.kernel import metrics

BUDGET = 0.020
"""Seconds that one command may take inside its transaction."""
QUIET = 10.0
"""Seconds for which a command that is over its budget is not mentioned again in the log."""

log = logging.getLogger("workpost.store")

COMMANDS = metrics.counter("workpost_store_commands_total", "Commands run, retries included.")
COMMITS = metrics.counter("workpost_store_commits_total", "Durable commits.")
EVENTS = metrics.counter(
    "workpost_store_events_total",
    "Faults, failed commits, replays, lost connections, and what took too long.",
    "event",
)


class Counters(msgspec.Struct):
    """Counted since the start of the process; written by few threads, read by any."""

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
    mentioned: dict[str, float] = {}
    """When a command over its budget was last mentioned in the log."""
    told: float = 0.0
    """When `tell` was last called, on the monotonic clock."""
    untold_commits: int = 0
    untold_commands: int = 0

    def count(self, event: str) -> None:
        """Count something rare, by the name of its field."""
        setattr(self, event, getattr(self, event) + 1)
        EVENTS.labels(event).inc()

    def committed(self, commands: int) -> None:
        """Count a commit of so many commands; `tell` makes it known."""
        self.commits += 1
        self.untold_commits += 1
        self.untold_commands += commands

    def tell(self, *, every: float = 0.0) -> None:
        """Bring the metrics up to date, unless that was done within `every` seconds.

        Metrics lie in a file that all processes share: two increments cost a small batch a tenth
        of the time of its commands.
        """
        if not self.untold_commits:
            return
        now = time.monotonic()
        if now - self.told >= every:
            self.told = now
            COMMITS.inc(self.untold_commits)
            COMMANDS.inc(self.untold_commands)
            self.untold_commits = self.untold_commands = 0

    def took(self, name: str, seconds: float) -> None:
        """Note how long a command took; one that is over its budget is logged now and then."""
        self.slowest = max(self.slowest, seconds)
        if seconds > BUDGET:
            self.count("over_budget")
            now = time.monotonic()
            if now - self.mentioned.get(name, -QUIET) >= QUIET:
                self.mentioned[name] = now
                log.warning("command over budget: %s took %.1f ms", name, seconds * 1000)

"""The real world, some time later: for what happens on another day."""

from __future__ import annotations

from workpost.kernel.clock import SystemEnvironment
from workpost.operations.reports.gathering import DAY


class Ahead(SystemEnvironment):
    """The real world, but some milliseconds later."""

    ahead = 0

    def begin_day(self) -> None:
        """Go on to a minute after midnight."""
        self.ahead += DAY - self.now() % DAY + 60_000

    def now(self) -> int:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead / 1000

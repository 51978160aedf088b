"""A clock that tests move."""

from __future__ import annotations

import pytest

from workpost.kernel.clock import SystemEnvironment


class MovedClock(SystemEnvironment):
    """The real world, some days later."""

    moved = 0

    def now(self) -> int:
        return super().now() + self.moved


@pytest.fixture
def env() -> MovedClock:
    return MovedClock()

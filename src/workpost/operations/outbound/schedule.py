"""When a recipient who was not reached is tried again, and when its sender hears of it.

Pure: ages and delays in milliseconds, `dice` a number from 0 up to 1 that spreads what would else
come back at one moment.
"""

from __future__ import annotations

from typing import Literal

from workpost.kernel.clock import Environment

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FIRST_MS = MINUTE
LONG_MS = HOUR
"""The longest wait of the first day."""
LONGEST_MS = 4 * HOUR
SPREAD = 0.2
"""A wait is up to so much shorter or longer, in parts of itself."""
PROBE_LONGEST_MS = HOUR
"""A destination that cannot be reached is tried at least this often."""

Verdict = Literal["retry", "notice", "give up"]


def dice_of(env: Environment) -> float:
    """A throw of the dice for the functions of this module."""
    return int.from_bytes(env.random_bytes(4), "big") / 2**32


def retry_delay(attempts: int, age: int, dice: float) -> int:
    """How long to wait after so many attempts (at least 1) on a message of this age.

    A minute, doubled with each attempt up to an hour; after the first day up to four hours.
    """
    longest = LONG_MS if age < DAY else LONGEST_MS
    return _spread(min(FIRST_MS << min(max(attempts, 1) - 1, 20), longest), dice)


def probe_delay(failures: int, dice: float) -> int:
    """How long to leave a destination alone that was not reached so many times in a row."""
    return _spread(min(FIRST_MS << min(max(failures, 1) - 1, 20), PROBE_LONGEST_MS), dice)


def _spread(delay: int, dice: float) -> int:
    return int(delay * (1 - SPREAD + 2 * SPREAD * dice))


def judge(age: int, *, noticed: bool, notice_after: int, give_up_after: int) -> Verdict:
    """What follows for a recipient that was deferred once more: only another try, or more.

    `notice_after` 0: nobody is told that mail is late.
    """
    if age >= give_up_after:
        return "give up"
    if notice_after and not noticed and age >= notice_after:
        return "notice"
    return "retry"

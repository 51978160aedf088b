"""A filter daemon that does not answer is left alone for a while: mail does not wait for it.

After `filter.daemon_failures` exchanges in a row that reached nobody, or were not answered in time,
nobody asks it for `filter.daemon_rest_seconds`: each message ends at once as it does when the
daemon fails. Then one message is the probe: it lets the others in again, or the rest begins anew. A
daemon that answers is there, whatever it says. Each process learns that for itself.

Messages that are slow to look at must not open that window for others: where a daemon can be asked
whether it is there, it is asked before its rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from workpost.integrations.spam.base import ScanFailed, Unreached
from workpost.kernel import metrics
from workpost.kernel.logging import logger
from workpost.store.core import Core

REMEMBERED = 100
"""Daemons that are known; a live setting may name another one."""

_RESTS = metrics.counter(
    "workpost_filter_rests_total", "Times that a daemon was left alone for a while.", "engine"
)
_SKIPPED = metrics.counter(
    "workpost_filter_skipped_total", "Messages that a resting daemon was not asked about.", "engine"
)

log = logger("filter")
T = TypeVar("T")


class LeftAlone(ScanFailed):
    """The daemon rests: it was not asked."""


class Rest:
    """What is known of one daemon. Pure; times in seconds of one clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._probing = False
        self.skipped = 0
        """Messages that it was not asked about in this rest."""

    @property
    def resting(self) -> bool:
        """Whether it is left alone, but for a probe."""
        return self._until > 0

    def may_ask(self, now: float) -> bool:
        """Whether to ask it now; after its rest for one alone, who has to `end` that."""
        if not self.resting:
            return True
        if now < self._until or self._probing:
            self.skipped += 1
            return False
        self._probing = True
        return True

    def is_last_straw(self, failures: int) -> bool:
        """Whether one more failure leads to a rest, or into another one."""
        return 0 < failures <= self._failures + 1

    def end(self, now: float, *, reached: bool, failures: int, seconds: float) -> bool:
        """Note how an exchange ended; tells whether a rest began or ended with it.

        With `failures` 0 it never rests.
        """
        before = self.resting
        if reached or not failures:
            self._failures, self._until, self._probing = 0, 0.0, False
            return before
        self._failures += 1
        if self._failures >= failures and (self._probing or not before):
            self._until, self._probing = now + seconds, False
        return self.resting and not before

    def give_up(self) -> None:
        """The exchange was called off: somebody else may be the probe."""
        self._probing = False


_known: dict[tuple[str, str], Rest] = {}


async def ask(
    core: Core,
    engine: str,
    daemon: str,
    exchange: Callable[[], Awaitable[T]],
    is_there: Callable[[str], Awaitable[bool]] | None = None,
) -> T:
    """Ask a daemon unless it rests. Raises ScanFailed."""
    settings, clock = core.settings.filter, core.env.monotonic
    rest = _rest_of(engine, daemon)
    if not rest.may_ask(clock()):
        _SKIPPED.labels(engine).inc()
        raise LeftAlone(f"{daemon} did not answer before and is left alone for a while")
    reached: bool | None = None
    try:
        answer = await exchange()
        reached = True
    except Unreached:
        last = rest.is_last_straw(settings.daemon_failures)
        reached = last and is_there is not None and await is_there(daemon)
        raise
    except ScanFailed:
        reached = True
        raise
    finally:
        if reached is None:
            rest.give_up()
        elif rest.end(
            clock(),
            reached=reached,
            failures=settings.daemon_failures,
            seconds=settings.daemon_rest_seconds,
        ):
            _tell(rest, engine, daemon, reached=reached)
    return answer


def _rest_of(engine: str, daemon: str) -> Rest:
    if (engine, daemon) not in _known and len(_known) >= REMEMBERED:
        _known.clear()
    return _known.setdefault((engine, daemon), Rest())


def _tell(rest: Rest, engine: str, daemon: str, *, reached: bool) -> None:
    if reached:
        missed, rest.skipped = rest.skipped, 0
        log.warning(
            "a filter daemon answers again", engine=engine, daemon=daemon, not_looked_at=missed
        )
    else:
        _RESTS.labels(engine).inc()
        log.error("a filter daemon does not answer and is left alone", engine=engine, daemon=daemon)

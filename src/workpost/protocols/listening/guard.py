"""A guard against guessing passwords: counts failures by peer and by login name.

Bounded, and pure but for its log: the caller passes the time in seconds of a clock that never goes
back. After a number of free failures each further one doubles the time for which the peer (or the
name) is refused without asking for the password. A name is guarded more loosely than a peer, and
not at all against peers where its owner has lately logged in, so that a stranger cannot lock a
person out.

Attempts that are being checked count as failures until their outcome is known: only as many are
checked at a time as would be free, the others wait for their turn.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from workpost.kernel.errors import AuthenticationFailed
from workpost.kernel.logging import logger
from workpost.protocols.listening.limits import peer_network

log = logger("login")

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Failures that are free, seconds of refusal, entries remembered."""

    peer_free: int = 10
    peer_longest: float = 900.0
    name_free: int = 20
    name_longest: float = 60.0
    first_delay: float = 1.0
    forget_after: float = 3600.0
    trusted_for: float = 30 * 86400.0
    entries: int = 20_000


_LONGEST_NAME = 320
"""Characters of a name that are told apart: no address is longer, but a stranger's name may be."""


def _name(username: str) -> str:
    return username[:_LONGEST_NAME].casefold()


class TooManyFailures(Exception):
    """An attempt is refused unseen for so many ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class _InFlight:
    """Attempts under one key that are being checked, and those that wait until one is done."""

    __slots__ = ("count", "waiting")

    def __init__(self) -> None:
        self.count = 0
        self.waiting: list[asyncio.Future[None]] = []


class _Failures:
    __slots__ = ("count", "last", "until")

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0
        self.until = 0.0


class Guard:
    """Shared by the listeners of a process; each table holds at most ``limits.entries``."""

    def __init__(self, limits: GuardLimits | None = None) -> None:
        self._limits = limits or GuardLimits()
        self._peers: OrderedDict[str, _Failures] = OrderedDict()
        self._names: OrderedDict[str, _Failures] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._in_flight: dict[tuple[str, str], _InFlight] = {}

    async def check(
        self,
        clock: Callable[[], float],
        host: str,
        username: str,
        check: Callable[[], Awaitable[R]],
    ) -> R:
        """What ``check`` returns, which is asked while the attempt is held and then counted.

        AuthenticationFailed is a failure, a result a success; any other error says nothing of the
        password and counts as neither. Raises TooManyFailures, and what ``check`` raises.
        """
        async with self.attempt(clock, host, username):
            try:
                found = await check()
            except AuthenticationFailed:
                self.failed(clock(), host, username)
                raise
            self.succeeded(clock(), host, username)
            return found

    @asynccontextmanager
    async def attempt(
        self, clock: Callable[[], float], host: str, username: str
    ) -> AsyncIterator[None]:
        """Holds one attempt while it is checked; tell ``failed`` or ``succeeded`` before it ends.

        Waits while as many are in flight as may fail for free (one, where none may); raises
        TooManyFailures. ``clock`` gives the time as the other methods take it.
        """
        network, name = peer_network(host), _name(username)
        while True:
            now = clock()
            if (seconds := self.wait(now, host, username)) > 0:
                raise TooManyFailures(seconds)
            keys = [("peer", network)]
            free = [self._free(self._peers, network, now, self._limits.peer_free)]
            if not self._is_trusted(now, network, name):
                keys.append(("name", name))
                free.append(self._free(self._names, name, now, self._limits.name_free))
            full = [k for k, most in zip(keys, free, strict=True) if self._flying(k) >= most]
            if not full:
                break
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._in_flight[full[0]].waiting.append(turn)
            await turn
        for key in keys:
            self._in_flight.setdefault(key, _InFlight()).count += 1
        try:
            yield
        finally:
            for key in keys:
                self._land(key)

    def _flying(self, key: tuple[str, str]) -> int:
        entry = self._in_flight.get(key)
        return entry.count if entry is not None else 0

    def _land(self, key: tuple[str, str]) -> None:
        entry = self._in_flight[key]
        entry.count -= 1
        waiting, entry.waiting = entry.waiting, []
        if not entry.count:
            del self._in_flight[key]
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def _free(self, table: OrderedDict[str, _Failures], key: str, now: float, free: int) -> int:
        entry = table.get(key)
        if entry is None or now - entry.last > self._limits.forget_after:
            return free
        return max(1, free - entry.count)

    def wait(self, now: float, host: str, username: str) -> float:
        """Seconds for which an attempt has to be refused unseen; 0 where it may be checked."""
        network, name = peer_network(host), _name(username)
        until = self._until(self._peers, network)
        if not self._is_trusted(now, network, name):
            until = max(until, self._until(self._names, name))
        return max(0.0, until - now)

    def failed(self, now: float, host: str, username: str) -> None:
        """A checked attempt did not succeed."""
        limits = self._limits
        network, name = peer_network(host), _name(username)
        beyond = self._count(self._peers, network, now, limits.peer_free, limits.peer_longest)
        if beyond > 0:
            # Few lines: what follows is refused unseen, twice as long each time.
            seconds = round(self._until(self._peers, network) - now)
            failures = limits.peer_free + beyond
            log.warning("too many wrong passwords", peer=host, failures=failures, seconds=seconds)
        if not self._is_trusted(now, network, name):
            self._count(self._names, name, now, limits.name_free, limits.name_longest)

    def succeeded(self, now: float, host: str, username: str) -> None:
        """A checked attempt succeeded: the peer's failures are forgiven, the pair is trusted.

        Failures for the name stay: they were somebody else's.
        """
        network, name = peer_network(host), _name(username)
        self._peers.pop(network, None)
        self._trusted[network, name] = now + self._limits.trusted_for
        self._trusted.move_to_end((network, name))
        if len(self._trusted) > self._limits.entries:
            self._trusted.popitem(last=False)

    def _is_trusted(self, now: float, network: str, name: str) -> bool:
        return self._trusted.get((network, name), 0.0) > now

    @staticmethod
    def _until(table: OrderedDict[str, _Failures], key: str) -> float:
        entry = table.get(key)
        return entry.until if entry is not None else 0.0

    def _count(
        self,
        table: OrderedDict[str, _Failures],
        key: str,
        now: float,
        free: int,
        longest: float,
    ) -> int:
        """How many failures beyond the free ones there are now."""
        entry = table.get(key)
        if entry is None or now - entry.last > self._limits.forget_after:
            entry = table[key] = _Failures()
        entry.count += 1
        entry.last = now
        beyond = entry.count - free
        if beyond > 0:
            # The exponent is bounded: a float overflows long before an attacker gives up.
            delay = self._limits.first_delay * 2.0 ** min(beyond - 1, 30)
            entry.until = now + min(delay, longest)
        table.move_to_end(key)
        if len(table) > self._limits.entries:
            table.popitem(last=False)
        return beyond

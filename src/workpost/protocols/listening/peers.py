"""Who has a place in a process: sessions of all protocols, and connections on their way to one.

Strangers may fill what is free, never what people need: where all places are taken, a newcomer
gets that of a stranger, the oldest of those who have nothing under way if possible. Whoever has
logged in keeps theirs, and so does a stranger whose message is on its way or whose request is
answered; but of these there are only so many that people have a share. So who can log in always
gets in, as long as not all places are people's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter

GIVEN_WAY = counter(
    "workpost_sessions_given_way_total", "Connections without login that were ended to make room."
)

KNOWN = "workpost.known"
"""In a scope of ASGI: to be called when the client has proved who it is."""
SHARE = 4
"""One place in so many is never taken by a stranger who may not be ended."""
FEW = 8
"""Sessions without login of a network beyond which a newcomer takes the place of one of these."""
LOOK = 64
"""Strangers that are looked at for one who has nothing under way."""
WARN_AGAIN = 60.0
"""Seconds between two lines about places that are all taken."""

log = logger("listening")


class Occupant(Protocol):
    """A connection that may have a place."""

    @property
    def idle(self) -> bool:
        """Whether it waits for its client, with nothing under way."""
        ...

    def give_way(self) -> None:
        """Tell the client that there is no room, and hang up; its place is another's already."""
        ...


class PeerCounter:
    """Counts open sessions: at most ``each`` of one network and ``total`` altogether.

    Both may be changed while it is in use. What is said of occupants that have no place, or none
    any more, changes nothing.
    """

    def __init__(self, each: int = 1_000, total: int = 20_000) -> None:
        self.each = each
        self.total = total
        self._sessions: dict[Occupant, str] = {}
        self._peers: dict[str, int] = {}
        self._arrivals = 0
        self._strangers: dict[Occupant, int] = {}
        """Sessions that may be ended: the number of their arrival, the oldest first."""
        self._strangers_of: dict[str, dict[Occupant, None]] = {}
        self._held: set[Occupant] = set()
        """Sessions of strangers that may not be ended now."""
        self._beginning: dict[Occupant, tuple[int, str]] = {}
        self._begins: dict[str, int] = {}
        self._warned = -WARN_AGAIN

    @property
    def open(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    @property
    def beginning(self) -> int:
        """How many connections are no sessions yet."""
        return len(self._beginning)

    def begin(self, network: str, occupant: Occupant) -> bool:
        """Count a connection that is no session yet; False, and nothing counted, without room.

        It takes the place of a session until ``begun``.
        """
        count = self._begins.get(network, 0)
        if self._peers.get(network, 0) + count >= self.each:
            return False
        while self.open + self.beginning >= self.total:
            if not self._make_room(network, self._beginning):
                return False
        self._begins[network] = self._begins.get(network, 0) + 1
        self._beginning[occupant] = (self._arrival(), network)
        return True

    def begun(self, occupant: Occupant) -> None:
        """Take back a ``begin``: a session came of it, or nothing."""
        found = self._beginning.pop(occupant, None)
        if found is not None:
            _count_down(self._begins, found[1])

    def enter(self, network: str, occupant: Occupant) -> bool:
        """Count one more, a stranger so far; False, and nothing counted, without room."""
        if self._peers.get(network, 0) >= self.each:
            return False
        # One more: a connection in a handshake becomes a session before `begun` is called for it.
        while self.open >= self.total or self.open + self.beginning > self.total:
            if not self._make_room(network, self._beginning if self.open < self.total else ()):
                return False
        self._sessions[occupant] = network
        self._peers[network] = self._peers.get(network, 0) + 1
        self._stay(occupant)
        return True

    def leave(self, occupant: Occupant) -> None:
        """A session is over."""
        network = self._sessions.pop(occupant, None)
        if network is not None:
            self._no_stranger(occupant, network)
            self._held.discard(occupant)
            _count_down(self._peers, network)

    def know(self, occupant: Occupant) -> None:
        """Somebody has logged in, or is known otherwise: the session keeps its place."""
        network = self._sessions.get(occupant)
        if network is not None:
            self._no_stranger(occupant, network)
            self._held.discard(occupant)

    def forget(self, occupant: Occupant) -> None:
        """Somebody has logged out: the session is a stranger's again."""
        if occupant in self._sessions and occupant not in self._strangers:
            self._held.discard(occupant)
            self._stay(occupant)

    def hold(self, occupant: Occupant) -> bool:
        """Something has begun that is not to be cut; whether it may go on.

        False where strangers hold so many places that people would have no share; always True
        for those who are known.
        """
        if occupant not in self._strangers:
            return occupant in self._sessions
        if len(self._held) >= max(1, self.total - max(1, self.total // SHARE)):
            return False
        self._no_stranger(occupant, self._sessions[occupant])
        self._held.add(occupant)
        return True

    def release(self, occupant: Occupant) -> None:
        """What ``hold`` was for is over."""
        if occupant in self._held:
            self._held.remove(occupant)
            self._stay(occupant)

    def _arrival(self) -> int:
        self._arrivals += 1
        return self._arrivals

    def _stay(self, occupant: Occupant) -> None:
        self._strangers[occupant] = self._arrival()
        self._strangers_of.setdefault(self._sessions[occupant], {})[occupant] = None

    def _no_stranger(self, occupant: Occupant, network: str) -> None:
        if self._strangers.pop(occupant, None) is not None:
            theirs = self._strangers_of[network]
            del theirs[occupant]
            if not theirs:
                del self._strangers_of[network]

    def _make_room(self, network: str, beginning: Iterable[Occupant]) -> bool:
        """End a stranger, of a session or (where given) `beginning` one; False without any."""
        theirs = self._strangers_of.get(network, {})
        leaves = _choose(theirs if len(theirs) > FEW else self._strangers)
        begins = next(iter(beginning), None)
        if leaves is None or (
            begins is not None and self._beginning[begins][0] < self._strangers[leaves]
        ):
            leaves = begins
        if leaves is None:
            return False
        self.leave(leaves)
        self.begun(leaves)
        GIVEN_WAY.inc()
        now = time.monotonic()
        if now - self._warned >= WARN_AGAIN:
            self._warned = now
            log.warning("all sessions are taken, those without login give way", total=self.total)
        leaves.give_way()
        return True


def _choose(strangers: Iterable[Occupant]) -> Occupant | None:
    first = None
    for each in islice(strangers, LOOK):
        if each.idle:
            return each
        first = first or each
    return first


def _count_down(counts: dict[str, int], key: str) -> None:
    count = counts.pop(key) - 1
    if count:
        counts[key] = count

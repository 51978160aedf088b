"""What listeners of all protocols do alike: accept, count connections, watch the clock, stop.

The caller binds the sockets, so that a port may be random or shared by several processes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from workpost.protocols.listening.accepting import Acceptor
from workpost.protocols.listening.limits import peer_network
from workpost.protocols.listening.peers import Occupant
from workpost.protocols.listening.proxy import Client, Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates


class Ticking(Protocol):
    """Limits of a protocol, as far as they concern its listener."""

    @property
    def tick(self) -> float:
        """Seconds between two looks at deadlines."""
        ...


class Expiring(Occupant, Protocol):
    """A connection with a deadline, by the loop's time, which has a place."""

    @property
    def deadline(self) -> float:
        """When it is to be ended."""
        ...

    def expire(self) -> None:
        """End it: its time is over."""
        ...


C = TypeVar("C", bound=Expiring)


class Listener(Generic[C]):
    """One listener and its connections; `clock` gives seconds to the guard and never goes back."""

    limits: Ticking

    def __init__(
        self, shared: Shared, *, certificates: Certificates | None, clock: Callable[[], float]
    ) -> None:
        self.certificates = certificates
        self.guard = shared.guard
        self.budget = shared.budget
        self.peers = shared.peers
        self.clock = clock
        self.draining = False
        self._connections: set[C] = set()
        self._acceptor: Acceptor | None = None
        self._ticker: asyncio.TimerHandle | None = None

    @staticmethod
    def now() -> float:
        """The loop's time, in seconds, for deadlines."""
        return asyncio.get_running_loop().time()

    async def _accept(
        self,
        sockets: Sequence[socket.socket],
        make: Callable[[Client | None], asyncio.Protocol],
        *,
        proxies: Proxies,
        implicit_tls: bool = False,
    ) -> None:
        """Accept on bound sockets; ValueError for implicit TLS without a certificate."""
        context = None
        if implicit_tls:
            if self.certificates is None:
                raise ValueError("a listener with implicit TLS needs a certificate")
            context = self.certificates.context
        self._acceptor = Acceptor(self.peers, make, context=context, proxies=proxies)
        await self._acceptor.start(sockets)
        self._tick(asyncio.get_running_loop())

    def _accept_no_more(self) -> None:
        self.draining = True
        if self._acceptor is not None:
            self._acceptor.close()

    def _stop_ticking(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()

    def expire(self, now: float) -> None:
        """End the sessions whose deadline is over; `now` is the loop's time."""
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()

    def _enter(self, connection: C, host: str) -> bool:
        """Count a new connection; False where its network or the listener has no room."""
        if not self.peers.enter(peer_network(host), connection):
            return False
        self._connections.add(connection)
        return True

    def _leave(self, connection: C) -> None:
        """A connection is gone; one that was not counted changes nothing."""
        self._connections.discard(connection)
        self.peers.leave(connection)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.expire(loop.time())
        self._ticker = loop.call_later(self.limits.tick, self._tick, loop)

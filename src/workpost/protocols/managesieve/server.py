"""A listener of ManageSieve: accepts, counts, watches the clock, stops in order.

The caller binds the sockets, so that a port may be random or shared by several processes.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workpost.protocols.listening.accepting import Acceptor
from workpost.protocols.listening.limits import peer_network
from workpost.protocols.listening.proxy import Client, Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates
from workpost.protocols.managesieve.access import Access
from workpost.protocols.managesieve.connection import Connection
from workpost.protocols.managesieve.counters import CONNECTIONS
from workpost.protocols.managesieve.errors import SessionEnd
from workpost.protocols.managesieve.limits import Limits
from workpost.store.core import Core

STOPPING = "The server is stopping"


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """What kind of listener it is.

    `plaintext_auth`: login without TLS for peers on loopback. `proxies`: who names clients by the
    PROXY protocol.
    """

    plaintext_auth: bool = False
    limits: Limits = field(default_factory=Limits)
    proxies: Proxies = field(default_factory=Proxies)


class ManageSieveServer:
    """One listener. `clock` gives seconds to the guard and never goes back."""

    def __init__(
        self,
        core: Core,
        access: Access,
        options: ListenerOptions,
        shared: Shared,
        *,
        certificates: Certificates | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.core = core
        self.access = access
        self.options = options
        self.limits = options.limits
        self.certificates = certificates
        self.guard = shared.guard
        self.clock = clock
        self.draining = False
        self._peers = shared.peers
        self._connections: set[Connection] = set()
        self._acceptor: Acceptor | None = None
        self._ticker: asyncio.TimerHandle | None = None

    def adjust(self, limits: Limits) -> None:
        """Use other limits from now on; a session takes them up at its login."""
        self.limits = limits

    @staticmethod
    def now() -> float:
        """The loop's time, in seconds, for deadlines."""
        return asyncio.get_running_loop().time()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these bound sockets."""

        def make(client: Client | None) -> asyncio.Protocol:
            return Connection(self, client)

        self._acceptor = Acceptor(self._peers, make, proxies=self.options.proxies)
        await self._acceptor.start(sockets)
        self._tick(asyncio.get_running_loop())

    async def stop(self, grace: float) -> None:
        """Accept no more; let commands under way finish for `grace` seconds; then cut."""
        self.draining = True
        if self._acceptor is not None:
            self._acceptor.close()
        if self._ticker is not None:
            self._ticker.cancel()
        left = list(self._connections)
        for connection in left:
            connection.end(SessionEnd(STOPPING))
        try:
            await asyncio.wait_for(asyncio.gather(*(each.finished() for each in left)), grace)
        except TimeoutError:
            pass
        # One turn of the loop lets the last answers and the ends of connections out.
        await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.abort()
            await connection.finished()

    def expire(self, now: float) -> None:
        """End the sessions whose deadline is over; `now` is the loop's time."""
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False, and it is told so and closed, where there is no room."""
        if self.draining:
            connection.end(SessionEnd(STOPPING))
            return False
        if not self._peers.enter(peer_network(connection.peer)):
            connection.end(SessionEnd("Too many connections", "TRYLATER"))
            return False
        self._connections.add(connection)
        CONNECTIONS.inc()
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._peers.leave(peer_network(connection.peer))

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.expire(loop.time())
        self._ticker = loop.call_later(self.limits.tick, self._tick, loop)

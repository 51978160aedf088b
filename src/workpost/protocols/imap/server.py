"""A listener of IMAP: accepts, counts, watches the clock, stops in order.

The caller binds the sockets, so that a port may be random or shared by several processes.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workpost.protocols.imap.access import Access
from workpost.protocols.imap.connection import Connection
from workpost.protocols.imap.counters import CONNECTIONS
from workpost.protocols.imap.limits import Limits
from workpost.protocols.imap.wire import framing
from workpost.protocols.listening.accepting import Acceptor
from workpost.protocols.listening.limits import peer_network
from workpost.protocols.listening.proxy import Client, Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates
from workpost.store.core import Core


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """What kind of listener it is.

    `implicit_tls`: TLS from the first octet (RFC 8314 3.2), else STARTTLS where certificates are
    given. `plaintext_auth`: login without TLS for peers on loopback. `proxies`: who names clients
    by the PROXY protocol.
    """

    implicit_tls: bool = False
    plaintext_auth: bool = False
    limits: Limits = field(default_factory=Limits)
    proxies: Proxies = field(default_factory=Proxies)


class ImapServer:
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
        self.adjust(options.limits)
        self.certificates = certificates
        self.guard = shared.guard
        self.clock = clock
        self.draining = False
        self._connections: set[Connection] = set()
        self.budget = shared.budget
        self._peers = shared.peers
        self._acceptor: Acceptor | None = None
        self._ticker: asyncio.TimerHandle | None = None

    def adjust(self, limits: Limits) -> None:
        """Use other limits from now on; a session takes up those of messages at its login."""
        self.limits = limits
        self.framing = framing.Limits(
            line=limits.line,
            literal=limits.literal,
            message=limits.message,
            discard=2 * limits.message,
        )

    @staticmethod
    def now() -> float:
        """The loop's time, in seconds, for deadlines."""
        return asyncio.get_running_loop().time()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these bound sockets; ValueError for implicit TLS without a certificate."""
        loop = asyncio.get_running_loop()

        def make(client: Client | None) -> asyncio.Protocol:
            return Connection(self, client)

        context = None
        if self.options.implicit_tls:
            if self.certificates is None:
                raise ValueError("a listener with implicit TLS needs a certificate")
            context = self.certificates.context
        self._acceptor = Acceptor(self._peers, make, context=context, proxies=self.options.proxies)
        await self._acceptor.start(sockets)
        self._tick(loop)

    async def stop(self, grace: float) -> None:
        """Accept no more; let commands under way finish for `grace` seconds; then cut."""
        self.draining = True
        if self._acceptor is not None:
            self._acceptor.close()
        if self._ticker is not None:
            self._ticker.cancel()
        for connection in list(self._connections):
            if not connection.busy:
                connection.end("The server is stopping")
        left = [connection.finished() for connection in list(self._connections)]
        try:
            await asyncio.wait_for(asyncio.gather(*left), grace)
        except TimeoutError:
            for connection in list(self._connections):
                connection.cancel()
                await connection.finished()
        # One turn of the loop lets the last answers and the ends of connections out.
        await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.abort()

    def expire(self, now: float) -> None:
        """End the sessions whose deadline is over; `now` is the loop's time."""
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False, and it is told so and closed, where there is no room."""
        network = peer_network(connection.peer)
        if self.draining:
            connection.end("The server is stopping")
            return False
        if not self._peers.enter(network):
            connection.end("Too many connections")
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

"""A listener of SMTP: accepts, counts, watches the clock, stops in order.

The caller binds the sockets, so that a port may be random or shared by several processes.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workpost.protocols.listening.handshake import TlsListener
from workpost.protocols.listening.limits import peer_network
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import HANDSHAKE_SECONDS, Certificates
from workpost.protocols.smtp.connection import Connection
from workpost.protocols.smtp.counters import Counters
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.session import MailService, Role
from workpost.protocols.smtp.signals import SHUTTING_DOWN, TOO_MANY_CONNECTIONS
from workpost.protocols.smtp.wire.replies import plain_reply

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """What kind of listener it is.

    ``implicit_tls``: TLS from the first octet (RFC 8314 3.3), else STARTTLS where certificates are
    given. ``plaintext_auth``: AUTH without TLS for peers on loopback.
    """

    role: Role
    hostname: str
    implicit_tls: bool = False
    plaintext_auth: bool = False
    limits: Limits = field(default_factory=Limits)


class SmtpServer:
    """One listener. ``clock`` gives seconds to the guard and never goes back."""

    def __init__(
        self,
        service: MailService,
        options: ListenerOptions,
        shared: Shared,
        *,
        certificates: Certificates | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.options = options
        self.limits = options.limits
        self.certificates = certificates
        self.guard = shared.guard
        self.budget = shared.budget
        self.clock = clock
        self.counters = Counters(options.role)
        self.greeting = plain_reply(220, [f"{options.hostname} ESMTP Workpost"])
        self.draining = False
        self._capabilities: dict[tuple[bool, bool], bytes] = {}
        self._connections: set[Connection] = set()
        self._peers = shared.peers
        self._servers: list[asyncio.Server] = []
        self._tls: TlsListener | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these bound sockets; ValueError for implicit TLS without a certificate."""
        loop = asyncio.get_running_loop()

        def accept() -> asyncio.Protocol:
            return Connection(self, loop)

        if self.options.implicit_tls:
            if self.certificates is None:
                raise ValueError("a listener with implicit TLS needs a certificate")
            context = self.certificates.context
            self._tls = TlsListener(self._peers, context, HANDSHAKE_SECONDS, accept)
            self._tls.start(sockets, BACKLOG)
        else:
            for bound in sockets:
                self._servers.append(await loop.create_server(accept, sock=bound, backlog=BACKLOG))
        self._tick(loop)

    async def stop(self, grace: float) -> None:
        """Accept no more; let messages under way finish for ``grace`` seconds; then cut.

        Idle sessions are told 421 4.3.2 at once, the others after their message.
        """
        self.draining = True
        for server in self._servers:
            server.close()
        if self._tls is not None:
            self._tls.close()
        for connection in list(self._connections):
            connection.drain(SHUTTING_DOWN)
        if self._connections:
            self._emptied.clear()
            try:
                await asyncio.wait_for(self._emptied.wait(), grace)
            except TimeoutError:
                await self._cut()
        if self._ticker is not None:
            self._ticker.cancel()

    async def _cut(self) -> None:
        left = list(self._connections)
        for connection in left:
            connection.task.cancel()
        await asyncio.gather(*(connection.task for connection in left), return_exceptions=True)
        for connection in left:
            connection.abort()

    def adjust(self, limits: Limits) -> None:
        """Use other limits from now on; a message under way keeps those it began with."""
        self.limits = limits
        self._capabilities.clear()

    def expire(self, now: float) -> None:
        """End the sessions whose deadline is over; ``now`` is the loop's time."""
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False, and it is told so and closed, where there is no room."""
        network = peer_network(connection.peer.host)
        if self.draining:
            farewell = SHUTTING_DOWN
        elif self._peers.enter(network):
            self._connections.add(connection)
            self.counters.connections.inc()
            return True
        else:
            farewell = TOO_MANY_CONNECTIONS
        connection.send(farewell)
        connection.close()
        return False

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._peers.leave(peer_network(connection.peer.host))
            if not self._connections:
                self._emptied.set()

    def capabilities(self, *, starttls: bool, auth: bool) -> bytes:
        """The answer to EHLO."""
        key = (starttls and self.certificates is not None, auth)
        answer = self._capabilities.get(key)
        if answer is None:
            lines = [
                self.options.hostname,
                f"SIZE {self.limits.message}",
                "8BITMIME",
                "SMTPUTF8",
                "PIPELINING",
                "CHUNKING",
                "ENHANCEDSTATUSCODES",
            ]
            lines += ["STARTTLS"] * key[0] + ["AUTH PLAIN LOGIN"] * key[1] + ["HELP"]
            answer = self._capabilities[key] = plain_reply(250, lines)
        return answer

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.expire(loop.time())
        self._ticker = loop.call_later(self.limits.tick, self._tick, loop)

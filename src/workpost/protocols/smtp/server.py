"""A listener of SMTP: accepts, counts, watches the clock, stops in order.

The caller binds the sockets, so that a port may be random or shared by several processes.
"""

import asyncio
import datetime as dt
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workpost.kernel.waiting import happened
from workpost.protocols.listening.listener import Listener
from workpost.protocols.listening.proxy import Client, Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates
from workpost.protocols.smtp.connection import Connection
from workpost.protocols.smtp.counters import Counters
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.session import MailService, Role
from workpost.protocols.smtp.signals import SHUTTING_DOWN, TOO_MANY_CONNECTIONS, TOO_MUCH
from workpost.protocols.smtp.strangers import Strangers
from workpost.protocols.smtp.wire.replies import plain_reply


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """What kind of listener it is.

    ``implicit_tls``: TLS from the first octet (RFC 8314 3.3), else STARTTLS where certificates are
    given. ``plaintext_auth``: AUTH without TLS for peers on loopback. ``proxies``: who names
    clients by the PROXY protocol.
    """

    role: Role
    hostname: str
    implicit_tls: bool = False
    plaintext_auth: bool = False
    limits: Limits = field(default_factory=Limits)
    proxies: Proxies = field(default_factory=Proxies)


class SmtpServer(Listener[Connection]):
    """One listener of SMTP or LMTP.

    Without ``strangers`` nobody's rates are counted. ``wall`` tells the time in seconds since the
    epoch.
    """

    limits: Limits

    def __init__(
        self,
        service: MailService,
        options: ListenerOptions,
        shared: Shared,
        *,
        certificates: Certificates | None,
        strangers: Strangers | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(shared, certificates=certificates, clock=clock)
        self.service = service
        self.options = options
        self.limits = options.limits
        self.counters = Counters(options.role)
        self.wall = wall
        protocol = "LMTP" if options.role is Role.LMTP else "ESMTP"
        self.greeting = plain_reply(220, [f"{options.hostname} {protocol} Workpost"])
        self._capabilities: dict[tuple[bool, bool], bytes] = {}
        self._strangers = strangers
        self._emptied = asyncio.Event()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these bound sockets; ValueError for implicit TLS without a certificate."""
        loop = asyncio.get_running_loop()

        def make(client: Client | None) -> asyncio.Protocol:
            return Connection(self, loop, client)

        options = self.options
        await self._accept(
            sockets, make, proxies=options.proxies, implicit_tls=options.implicit_tls
        )

    async def stop(self, grace: float) -> None:
        """Accept no more; let messages under way finish for ``grace`` seconds; then cut.

        Idle sessions are told 421 4.3.2 at once, the others after their message.
        """
        self._accept_no_more()
        for connection in list(self._connections):
            connection.drain(SHUTTING_DOWN)
        if self._connections:
            self._emptied.clear()
            if not await happened(self._emptied, grace):
                await self._cut()
        self._stop_ticking()

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

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False, and it is told so and closed, where there is no room."""
        wait = 0.0
        if self._strangers is not None:
            connection.stranger = self._strangers.meet(connection.peer.host)
            if connection.stranger is not None:
                wait = connection.stranger.connected()
        if self.draining:
            farewell = SHUTTING_DOWN
        elif wait:
            farewell = TOO_MUCH
        elif self._enter(connection, connection.peer.host):
            self.counters.connections.inc()
            if self.options.role is Role.LMTP:
                # A server of our own.
                self.peers.know(connection)
            return True
        else:
            farewell = TOO_MANY_CONNECTIONS
        connection.send(farewell)
        connection.close()
        return False

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._leave(connection)
        if not self._connections:
            self._emptied.set()

    def capabilities(self, *, tls: bool, auth: bool) -> bytes:
        """The answer to EHLO, with ``tls`` or yet without; LHLO's is the same."""
        key = (tls, auth)
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
                "DSN",
            ]
            if tls:
                lines.append("REQUIRETLS")
            elif self.certificates is not None:
                lines.append("STARTTLS")
            lines += ["AUTH PLAIN LOGIN"] * auth + ["HELP"]
            if self.holds:
                # The latest moment is another one each time.
                return plain_reply(250, [*lines, self._future_release()])
            answer = self._capabilities[key] = plain_reply(250, lines)
        return answer

    @property
    def holds(self) -> bool:
        """Whether a message may be submitted for later."""
        return self.options.role is Role.SUBMISSION and self.limits.hold > 0

    def _future_release(self) -> str:
        """RFC 4865 3: the most seconds, and the latest moment, for which a message is held."""
        most = self.limits.hold
        latest = dt.datetime.fromtimestamp(int(self.wall()) + most, dt.UTC)
        return f"FUTURERELEASE {most} {latest:%Y-%m-%dT%H:%M:%SZ}"

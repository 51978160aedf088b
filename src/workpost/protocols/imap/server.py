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
from workpost.protocols.listening.listener import Listener
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


class ImapServer(Listener[Connection]):
    """One listener of IMAP."""

    limits: Limits

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
        super().__init__(shared, certificates=certificates, clock=clock)
        self.core = core
        self.access = access
        self.options = options
        self.adjust(options.limits)

    def adjust(self, limits: Limits) -> None:
        """Use other limits from now on; a session takes up those of messages at its login."""
        self.limits = limits
        self.framing = framing.Limits(
            line=limits.line,
            literal=limits.literal,
            message=limits.message,
            discard=2 * limits.message,
        )

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these bound sockets; ValueError for implicit TLS without a certificate."""

        def make(client: Client | None) -> asyncio.Protocol:
            return Connection(self, client)

        options = self.options
        await self._accept(
            sockets, make, proxies=options.proxies, implicit_tls=options.implicit_tls
        )

    async def stop(self, grace: float) -> None:
        """Accept no more; let commands under way finish for `grace` seconds; then cut."""
        self._accept_no_more()
        self._stop_ticking()
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

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False, and it is told so and closed, where there is no room."""
        if self.draining:
            connection.end("The server is stopping")
            return False
        if not self._enter(connection, connection.peer):
            connection.end("Too many connections")
            return False
        CONNECTIONS.inc()
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._leave(connection)

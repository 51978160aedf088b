"""A listener of ManageSieve: accepts, counts, watches the clock, stops in order.

The caller binds the sockets, so that a port may be random or shared by several processes.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workpost.protocols.listening.listener import Listener
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


class ManageSieveServer(Listener[Connection]):
    """One listener of ManageSieve."""

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
        self.limits = options.limits

    def adjust(self, limits: Limits) -> None:
        """Use other limits from now on; a session takes them up at its login."""
        self.limits = limits

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept on these bound sockets."""

        def make(client: Client | None) -> asyncio.Protocol:
            return Connection(self, client)

        await self._accept(sockets, make, proxies=self.options.proxies)

    async def stop(self, grace: float) -> None:
        """Accept no more; let commands under way finish for `grace` seconds; then cut."""
        self._accept_no_more()
        self._stop_ticking()
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

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False, and it is told so and closed, where there is no room."""
        if self.draining:
            connection.end(SessionEnd(STOPPING))
            return False
        if not self._enter(connection, connection.peer):
            connection.end(SessionEnd("Too many connections", "TRYLATER"))
            return False
        CONNECTIONS.inc()
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._leave(connection)

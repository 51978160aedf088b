"""How a listener accepts: the shortest way that its kind allows."""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from workpost.protocols.listening.handshake import Doorway, Make
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.proxy import Proxies
from workpost.protocols.listening.tls import HANDSHAKE_SECONDS

BACKLOG = 1024


class Acceptor:
    """Accepts on bound sockets, TCP or Unix; `make` makes each session.

    `context`: TLS from the first octet. `proxies`: who has to name the client before anything else;
    nobody does on a Unix socket.
    """

    def __init__(
        self,
        peers: PeerCounter,
        make: Make,
        *,
        context: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
        seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._make = make
        self._servers: list[asyncio.Server] = []
        self._doorway: Doorway | None = None
        if context is not None or proxies:
            self._doorway = Doorway(peers, context, seconds, make, proxies)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept from now on."""
        loop = asyncio.get_running_loop()
        through = []
        for bound in sockets:
            if bound.family == socket.AF_UNIX:
                server = await loop.create_unix_server(self._plain, sock=bound, backlog=BACKLOG)
                self._servers.append(server)
            elif self._doorway is not None:
                through.append(bound)
            else:
                server = await loop.create_server(self._plain, sock=bound, backlog=BACKLOG)
                self._servers.append(server)
        if self._doorway is not None:
            self._doorway.start(through, BACKLOG)

    def close(self) -> None:
        """Accept no more; what is on its way in ends."""
        for server in self._servers:
            server.close()
        if self._doorway is not None:
            self._doorway.close()

    def _plain(self) -> asyncio.Protocol:
        return self._make(None)

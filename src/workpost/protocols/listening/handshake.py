"""Listening with TLS from the first octet: connections count from the moment they are accepted.

A peer could otherwise hold descriptors for the whole time of a handshake without being counted.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from workpost.protocols.listening.limits import PeerCounter, peer_network

NO_DESCRIPTOR = 0.1
"""Seconds before the next attempt when a connection cannot be accepted."""


class TlsListener:
    """Accepts on bound sockets; `make` makes the session of each peer that got through TLS.

    `peers` counts handshakes with the sessions; peers beyond its bounds are hung up on.
    """

    def __init__(
        self,
        peers: PeerCounter,
        context: ssl.SSLContext,
        seconds: float,
        make: Callable[[], asyncio.Protocol],
    ) -> None:
        self._peers = peers
        self._context = context
        self._seconds = seconds
        self._make = make
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._shaking: dict[socket.socket, asyncio.Task[None]] = {}

    def start(self, sockets: Sequence[socket.socket], backlog: int) -> None:
        """Accept from now on."""
        for bound in sockets:
            bound.setblocking(False)
            bound.listen(backlog)
            self._sockets.append(bound)
            self._accepting.append(asyncio.create_task(self._accept(bound)))

    def close(self) -> None:
        """Accept no more, and end the handshakes under way."""
        for task in self._accepting:
            task.cancel()
        for connection in self._shaking:
            # The transport that has taken it closes it when it sees the end.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        while self._sockets:
            bound = self._sockets.pop()
            asyncio.get_running_loop().remove_reader(bound)
            bound.close()

    async def _accept(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(bound)
            except ConnectionError:
                continue
            except OSError:
                await asyncio.sleep(NO_DESCRIPTOR)
                continue
            network = peer_network(address[0])
            if self._peers.begin(network):
                task = loop.create_task(self._shake(connection))
                self._shaking[connection] = task
                task.add_done_callback(partial(self._shaken, connection, network))
            else:
                connection.close()
            # Whoever connects quickly must not keep the loop from all others.
            await asyncio.sleep(0)

    async def _shake(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # of which errors of TLS are a kind
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._seconds,
            )

    def _shaken(self, connection: socket.socket, network: str, _: asyncio.Task[None]) -> None:
        self._peers.begun(network)
        del self._shaking[connection]

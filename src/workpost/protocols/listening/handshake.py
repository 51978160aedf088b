"""Accepting where something comes before the session: a proxy's header, a TLS handshake, or both.

Connections count from the moment they are accepted: a peer could otherwise hold descriptors for the
whole time of a handshake without being counted.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

from workpost.kernel.logging import logger
from workpost.protocols.listening.limits import peer_network
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.proxy import HEADERS, Client, Proxies, ProxyError, read_client
from workpost.protocols.listening.tls import HANDSHAKE_SECONDS

NO_DESCRIPTOR = 0.1
"""Seconds before the next attempt when a connection cannot be accepted."""
WARN_AGAIN = 60.0
"""Seconds between two lines about proxies that do not say whom they let in."""

Make = Callable[[Client | None], asyncio.Protocol]
"""Makes the session of a peer; the client is given where a proxy has named it."""

_HANDSHAKE_OCTETS = 64 * 1024
"""More than OpenSSL takes for a handshake and gives back after it."""

log = logger("listening")


async def start_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, context: ssl.SSLContext
) -> asyncio.Transport | None:
    """TLS on an accepted connection, after STARTTLS; None where it was lost meanwhile.

    Raises OSError, of which errors of TLS are a kind; `connection_lost` is not called then.
    """
    loop = asyncio.get_running_loop()
    _spare_memory(loop)
    return await loop.start_tls(
        transport,
        protocol,
        context,
        server_side=True,
        ssl_handshake_timeout=HANDSHAKE_SECONDS,
    )


def _spare_memory(loop: asyncio.AbstractEventLoop) -> None:
    """To be called right before a TLS transport is made; saves 20 KiB of each while it lasts.

    uvloop reserves 256 KiB to read into, of which a client that sends commands touches one page.
    But malloc places them where OpenSSL had its buffers for the last handshake, whose pages are in
    memory and then stay. Something else takes that place until the transport has its own, and
    leaves it to the next handshake.
    """
    place = bytearray(_HANDSHAKE_OCTETS)
    loop.call_soon(place.clear)


class _Arrival:
    """The place of a connection that is no session yet."""

    idle = True

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def give_way(self) -> None:
        """There is nothing to say before a handshake is done: hang up."""
        # The transport that has taken it closes it when it sees the end.
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


class Doorway:
    """Accepts on bound sockets; `make` makes the session of each peer that got through.

    `peers` counts those on their way in with the sessions; peers beyond its bounds are hung up on.
    Without `context` there is no TLS; `seconds` are for a handshake.
    """

    def __init__(
        self,
        peers: PeerCounter,
        context: ssl.SSLContext | None,
        seconds: float,
        make: Make,
        proxies: Proxies | None = None,
    ) -> None:
        self._peers = peers
        self._context = context
        self._seconds = seconds
        self._make = make
        self._proxies = proxies or Proxies()
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._entering: dict[socket.socket, asyncio.Task[None]] = {}
        self._warned = -WARN_AGAIN

    def start(self, sockets: Sequence[socket.socket], backlog: int) -> None:
        """Accept from now on."""
        for bound in sockets:
            bound.setblocking(False)
            bound.listen(backlog)
            self._sockets.append(bound)
            self._accepting.append(asyncio.create_task(self._accept(bound)))

    def close(self) -> None:
        """Accept no more, and end what is under way."""
        for task in self._accepting:
            task.cancel()
        for connection in self._entering:
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
            host = address[0]
            # A session that begins at once counts itself, and says what is wrong.
            waits = self._context is not None or self._proxies.includes(host)
            arrival = _Arrival(connection) if waits else None
            if arrival is None or self._peers.begin(peer_network(host), arrival):
                task = loop.create_task(self._enter(connection, host, arrival))
                self._entering[connection] = task
                task.add_done_callback(partial(self._entered, connection))
            else:
                connection.close()
            # Whoever connects quickly must not keep the loop from all others.
            await asyncio.sleep(0)

    async def _enter(self, connection: socket.socket, host: str, arrival: _Arrival | None) -> None:
        """`arrival` is what was counted to begin with."""
        client = None
        try:
            if self._proxies.includes(host):
                try:
                    client = await read_client(connection)
                except ProxyError as error:
                    connection.close()
                    self._complain(host, error)
                    return
                HEADERS.labels("client" if client is not None else "none").inc()
            if client is not None and self._context is not None:
                named = _Arrival(connection)
                if not self._peers.begin(peer_network(client[0]), named):
                    connection.close()
                    return
                if arrival is not None:
                    # Clients who dawdle must not take the room of all others behind the proxy.
                    self._peers.begun(arrival)
                arrival = named
            await self._connect(connection, client)
        finally:
            if arrival is not None:
                self._peers.begun(arrival)

    async def _connect(self, connection: socket.socket, client: Client | None) -> None:
        loop = asyncio.get_running_loop()
        if self._context is not None:
            _spare_memory(loop)
        with contextlib.suppress(OSError):  # of which errors of TLS are a kind
            await loop.connect_accepted_socket(
                partial(self._make, client),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._seconds if self._context is not None else None,
            )

    def _complain(self, host: str, error: ProxyError) -> None:
        HEADERS.labels("wrong").inc()
        now = time.monotonic()
        if now - self._warned >= WARN_AGAIN:
            self._warned = now
            log.warning("a proxy did not say whom it lets in", proxy=host, reason=str(error))

    def _entered(self, connection: socket.socket, _: asyncio.Task[None]) -> None:
        del self._entering[connection]

"""`listeners.acme` of a core on a random port."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from workpost.node.http import HttpServer
from workpost.node.sockets import Listener
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.web.wellknown import Challenges, Port80
from workpost.store.core import Core


@dataclass
class Port80Server:
    port: int
    server: HttpServer

    @classmethod
    async def start(cls, core: Core) -> Port80Server:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        server = HttpServer(Port80(core, Challenges(core)), PeerCounter())
        await server.start(Listener("acme", [bound]))
        return cls(bound.getsockname()[1], server)

    async def stop(self) -> None:
        await self.server.stop(0.1)

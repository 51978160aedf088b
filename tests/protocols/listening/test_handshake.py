"""Connections count from the moment they are accepted, before TLS is there."""

import asyncio
import socket
import ssl

from workpost.protocols.listening.handshake import Doorway
from workpost.protocols.listening.peers import PeerCounter


class Echo(asyncio.Protocol):
    def __init__(self, peers):
        self.peers = peers

    def connection_made(self, transport):
        self.transport = transport
        assert transport.get_extra_info("ssl_object") is not None
        transport.write(b"%d\n" % self.peers.open)

    def data_received(self, data):
        self.transport.write(data)


class Listener:
    def __init__(self, certificates, each=3, seconds=5.0):
        self.peers = PeerCounter(each=each)
        self.listener = Doorway(
            self.peers, certificates.context, seconds, lambda _: Echo(self.peers)
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    async def __aenter__(self):
        bound = socket.create_server(("127.0.0.1", 0))
        self.address = bound.getsockname()
        self.listener.start([bound], 10)
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        await self.counted(0)

    async def connect(self, *, tls):
        return await asyncio.open_connection(*self.address, ssl=self.context if tls else None)

    async def counted(self, count):
        async with asyncio.timeout(30):
            while self.peers.beginning != count:  # noqa: ASYNC110 - the counter tells nobody
                await asyncio.sleep(0.005)


def test_rfc_8314_section_3_3_a_session_begins_inside_of_tls(loops, certificates):
    async def play():
        async with Listener(certificates) as listener:
            reader, writer = await listener.connect(tls=True)
            writer.write(b"early\n")
            assert await reader.readline() == b"0\n"
            assert await reader.readline() == b"early\n"
            writer.write(b"x" * 300_000)
            assert await reader.readexactly(300_000) == b"x" * 300_000
            writer.close()

    loops.run(play())


def test_silent_peers_are_counted_and_those_beyond_are_cut(loops, certificates):
    async def play():
        async with Listener(certificates) as listener:
            silent = [await listener.connect(tls=False) for _ in range(3)]
            await listener.counted(3)
            reader, beyond = await listener.connect(tls=False)
            try:
                assert await asyncio.wait_for(reader.read(), 5) == b""
            except ConnectionResetError:
                pass
            silent[0][1].close()
            await listener.counted(2)
            _, writer = await listener.connect(tls=True)
            for each in (beyond, writer, *(pair[1] for pair in silent)):
                each.close()
            await listener.counted(0)

    loops.run(play())


def test_a_handshake_ends_in_time(loops, certificates):
    async def play():
        async with Listener(certificates, seconds=0.05) as listener:
            _, writer = await listener.connect(tls=False)
            await listener.counted(1)
            await listener.counted(0)
            writer.close()

    loops.run(play())


def test_what_is_no_tls_is_not_counted_any_more(loops, certificates):
    async def play():
        async with Listener(certificates) as listener:
            reader, writer = await listener.connect(tls=False)
            writer.write(b"no TLS at all\r\n\r\n")
            await asyncio.wait_for(reader.read(), 5)
            await listener.counted(0)
            writer.close()

    loops.run(play())


def test_handshakes_end_when_the_listener_stops(loops, certificates):
    async def play():
        async with Listener(certificates) as listener:
            _, writer = await listener.connect(tls=False)
            await listener.counted(1)
            listener.listener.close()
            await listener.counted(0)
            writer.close()

    loops.run(play())

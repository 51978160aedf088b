"""The transport side of a session, whatever is spoken."""

import asyncio

import pytest

from workpost.protocols.listening.connection import ClientConnection


class Upgrading(ClientConnection):
    """Answers the first octets with TLS, once the client is as gone as `leave` makes it."""

    def __init__(self, context, leave):
        super().__init__(1024)
        self.context = context
        self.leave = leave
        self.forgotten = 0
        self.upgraded = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self._begin(transport)

    def data_received(self, data):
        self.task = asyncio.get_running_loop().create_task(self.upgrade())

    async def upgrade(self):
        await self.leave(self)
        self.upgraded.set_result(await self._upgrade(self.context))

    def _wake(self):
        pass

    def _forget(self):
        self.forgotten += 1

    def _end_idle(self):
        pass


async def is_cut(connection):
    connection.abort()


async def is_lost(connection):
    connection.abort()
    while not connection.forgotten:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def speaks_no_more(connection):
    while not connection._ended:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("leave", [is_cut, is_lost, speaks_no_more])
def test_no_handshake_is_waited_for_with_a_client_that_has_gone(loops, certificates, leave):
    async def play():
        made = []

        def make():
            made.append(Upgrading(certificates.context, leave))
            return made[0]

        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"STARTTLS")
        if leave is speaks_no_more:
            writer.write_eof()
        while not made:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        # Half of what a handshake may take.
        assert not await asyncio.wait_for(made[0].upgraded, 10)
        made[0].abort()
        while not made[0].forgotten:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert made[0].forgotten == 1
        writer.close()
        server.close()

    loops.run(play())

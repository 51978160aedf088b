"""What the SMTP protocol layer costs by itself: a service that does nothing, a raw client.

    python -m benchmarks.smtp_protocol [--connections 20] [--seconds 4] [--size 4096]

The server runs in a process of its own, pinned to one core where the system lets it; the processor
time it takes a message tells more than the rate on a machine that does other work beside.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import time
from multiprocessing.connection import Connection as Wire
from typing import cast

import uvloop

from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.session import Accepted, Login, Peer, Recipient, Role, Transaction

GROUP = b"MAIL FROM:<ada@a.test> SIZE=%d\r\nRCPT TO:<grace@a.test>\r\nDATA\r\n"


class Nothing:
    """A mail service without mail."""

    async def authenticate(
        self, peer: Peer, username: str, password: bytes, mechanism: str
    ) -> Login:
        return Login(username)

    async def mail_from(self, transaction: Transaction) -> None:
        pass

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> None:
        pass

    async def message(self, transaction: Transaction, content: bytes) -> Accepted:
        return Accepted()


class Sender(asyncio.Protocol):
    """Sends one message after the other: MAIL, RCPT and DATA in one write, then the content."""

    def __init__(self, group: bytes, content: bytes, pipelining: bool) -> None:
        self.steps = [group, content] if pipelining else [*_lines(group), content]
        self.answers = [3, 1] if pipelining else [1, 1, 1, 1]
        self.sent = 0
        self.step = -1
        self.expected = 1
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.step == -1:
            self.step = -2
            self.transport.write(b"HELO client.test\r\n")
            return
        if self.step == -2:
            self.step = 0
            self._go()
            return
        self.expected -= data.count(b"\n")
        if self.expected <= 0:
            self.step += 1
            if self.step == len(self.steps):
                assert data.endswith(b"250 2.0.0 Message accepted\r\n"), data
                self.sent += 1
                self.step = 0
            self._go()

    def _go(self) -> None:
        self.expected = self.answers[self.step]
        self.transport.write(self.steps[self.step])


def _lines(group: bytes) -> list[bytes]:
    return [line + b"\r\n" for line in group.split(b"\r\n")[:-1]]


def serve(wire: Wire) -> None:
    uvloop.run(_serve(wire))


async def _serve(wire: Wire) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    options = ListenerOptions(Role.MX, "mail.a.test", limits=Limits())
    server = SmtpServer(Nothing(), options, Shared(), certificates=None)
    bound = socket.create_server(("127.0.0.1", 0))
    await server.start([bound])
    wire.send(bound.getsockname())
    loop = asyncio.get_running_loop()
    while True:
        await loop.run_in_executor(None, wire.recv)
        wire.send(time.process_time())


async def load(
    address: tuple[str, int], connections: int, seconds: float, size: int, *, pipelining: bool
) -> int:
    line = b"x" * 70 + b"\r\n"
    content = b"Subject: bench\r\n\r\n" + line * (size // len(line)) + b".\r\n"
    senders = [Sender(GROUP % size, content, pipelining) for _ in range(connections)]
    loop = asyncio.get_running_loop()
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, *address)  # type: ignore[misc]
    await asyncio.sleep(seconds)
    for sender in senders:
        sender.transport.abort()
    return sum(sender.sent for sender in senders)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--size", type=int, default=4096)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    address = ours.recv()
    for pipelining in (True, False):
        ours.send(None)
        before = ours.recv()
        started = time.perf_counter()
        sent = uvloop.run(
            load(address, options.connections, options.seconds, options.size, pipelining=pipelining)
        )
        elapsed = time.perf_counter() - started
        ours.send(None)
        spent = ours.recv() - before
        print(
            f"{'pipelined' if pipelining else 'one by one':>10}  {sent / elapsed:8.0f} messages/s  "
            f"{spent / sent * 1e6:6.1f} us of processor time each  "
            f"({sent / spent:8.0f} messages/s of a whole core)"
        )
    process.terminate()


if __name__ == "__main__":
    main()

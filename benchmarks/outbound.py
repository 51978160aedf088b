"""A queue of mail for elsewhere, let go: until a sink has all of it, beside Postfix.

Workpost signs each message twice (RSA and Ed25519 keys where the domain has them; the demo's has
none, so what is measured is the queue) and settles each recipient in a transaction with an event.
Both have the same number of messages for the same number of domains, and Postfix's own sink.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.clients import Connection, Unexpected, drive, smtp_hello, smtp_login, submissions
from benchmarks.mail import submission
from benchmarks.product import PASSWORD, Workpost
from benchmarks.scale import Scale
from benchmarks.table import Row
from tests.support.processes import Peer, accepts, dying_with_us, free_port
from workpost.operations.mailflow.orders import retry
from workpost.store.tables.queue_orders import Choice, count_states

SECTION = "Mail to other servers: a queue of 4 KB messages for {} domains, let go"
DOMAINS = 20
SECONDS = 300.0


class Sink:
    """Postfix's smtp-sink: takes everything and keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = ["smtp-sink", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"]
        self._peer = Peer("smtp-sink", dying_with_us(command), folder / "sink.log")
        self._peer.wait_until(lambda: accepts(self.port))

    def close(self) -> None:
        self._peer.stop()


def recipients(count: int) -> list[str]:
    """Addresses spread over the domains."""
    return [f"user-{n}@domain-{n % DOMAINS}.example" for n in range(count)]


def measure(
    folder: Path, dovecot: peers.Dovecot, scale: Scale, engine_url: str = ""
) -> Iterator[Row]:
    """Messages per second from a full queue to an empty one; Postfix afterwards, alone as well."""
    sink = Sink(folder)
    try:
        ours = _workpost(folder / "outbound", sink, scale, engine_url)
        theirs = _postfix(folder / "outbound-postfix", dovecot, sink, scale)
    finally:
        sink.close()
    yield Row(
        section=SECTION.format(DOMAINS),
        what=f"{'PostgreSQL' if engine_url else 'SQLite'}, {scale.outbound} messages",
        value=ours,
        unit="/s",
        peer="Postfix",
        peer_value=theirs,
    )


def _workpost(folder: Path, sink: Sink, scale: Scale, url: str) -> float:
    product = Workpost(
        folder,
        url,
        settings={
            "WORKPOST_OUTBOUND__ROUTES": f"*=127.0.0.1:{sink.port}",
            "WORKPOST_LOGIN__WITHOUT_TLS": "true",
        },
    )
    product.start()
    try:
        [sender] = product.add_people(1)
        script = smtp_login(sender, PASSWORD)
        _fill(product.port("submission"), script, sender, scale.outbound)
        product.stop()
        product.demo_mode = False
        product.start()
        return scale.outbound / asyncio.run(_drain(product))
    finally:
        product.stop()


async def _drain(product: Workpost) -> float:
    """Let the queue go; the seconds until it is empty."""
    async with product.attached() as core:
        started = time.perf_counter()
        await retry(core, Choice())
        deadline = time.monotonic() + SECONDS
        while await core.store.read(count_states):
            if time.monotonic() > deadline:
                raise Unexpected("the queue does not get empty")
            await asyncio.sleep(0.02)
        return time.perf_counter() - started


def _fill(port: int, script: object, sender: str, count: int) -> None:
    connection = Connection(port)
    drive({connection: script})  # type: ignore[dict-item]
    for to in recipients(count):
        drive({connection: submissions(sender, to, submission(sender, to), 1, [], pipelining=True)})
    connection.close()


def _postfix(folder: Path, dovecot: peers.Dovecot, sink: Sink, scale: Scale) -> float:
    postfix = peers.Postfix(folder, dovecot, relay=sink.port)
    try:
        _fill(postfix.mx_port, smtp_hello("client.example"), peers.USER, scale.outbound)
        started = time.perf_counter()
        postfix.release()
        _until(lambda: postfix.left() == 0)
        return scale.outbound / (time.perf_counter() - started)
    finally:
        postfix.close()


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise Unexpected("the queue does not get empty")
        time.sleep(0.02)

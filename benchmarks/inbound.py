"""Durable acceptance of mail from other servers, signed and checked, beside Postfix's queue.

Each message passes SPF, DKIM and DMARC with a warm DNS cache, is scored, and lies sealed in its
mailbox before the reply; Postfix checks nothing and puts the message on hold.
"""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import peers
from benchmarks.clients import Connection, Unexpected, drive, smtp_hello, submissions
from benchmarks.mail import submission
from benchmarks.product import Workpost, create_users, processor_seconds
from benchmarks.scale import Scale
from benchmarks.submission import ROUNDS, Outcome
from benchmarks.table import Row
from tests.support.dns import DnsServer
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes.registration import register_to_workmail
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import Signer, sign
from workpost.kernel.principal import Grant
from workpost.operations.mailflow.listing import list_queue
from workpost.store.core import Core

SECTION = "Mail from other servers, signed, SPF, DKIM and DMARC checked, in clear on loopback"
DOMAIN = "sender.example"
SENDER = f"bob@{DOMAIN}"
HOST = f"mail.{DOMAIN}"
SELECTOR = "bench"
SIZES = {"4 KB": 4096, "50 KB": 50 * 1024, "1 MB": 1024 * 1024}
GROUP = "everybody"
SINGLE_P99 = 50.0
"""Milliseconds that a single delivery may take beside a large group's."""


class Sender:
    """A domain elsewhere: its key, and a DNS server in a thread that tells of it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    async def _start(self) -> tuple[str, int]:
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._server = DnsServer()
        self._server.records |= {
            ("TXT", DOMAIN): ["v=spf1 ip4:127.0.0.1 -all"],
            ("TXT", f"_dmarc.{DOMAIN}"): ["v=DMARC1; p=reject"],
            ("TXT", f"{SELECTOR}._domainkey.{DOMAIN}"): [
                f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
            ],
            ("A", HOST): ["127.0.0.1"],
            ("PTR", "1.0.0.127.in-addr.arpa"): [HOST],
        }
        return await self._server.start()

    def signed(self, recipient: str, size: int) -> bytes:
        """A message of so many bytes, and its signature."""
        raw = submission(SENDER, recipient, size)
        signer = Signer("rsa-sha256", DOMAIN, SELECTOR, self.key)
        return sign(Fields(raw), [signer], int(time.time())) + raw

    def close(self) -> None:
        """Stop the DNS server."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        # What closing the socket has put off has its turn.
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


def start(folder: Path, sender: Sender) -> Workpost:
    """A product that asks this DNS server, and takes as much as one address sends."""
    host, port = sender.address
    product = Workpost(
        folder,
        settings={"WORKPOST_DNS__SERVERS": f"{host}:{port}", **UNLIMITED},
    )
    product.start()
    return product


UNLIMITED = {"WORKPOST_AUTHENTICATION__TRUSTED_NETWORKS": "198.51.100.0/24"}
"""Settings under which our own address is a stranger, and may send as much as it can."""


def measure(
    product: Workpost, sender: Sender, postfix: peers.Postfix | None, scale: Scale
) -> Iterator[Row]:
    """Messages per second by size and by the number of connections; both servers take turns."""
    people = product.add_people(scale.people)
    rounds = min(ROUNDS, scale.rounds)
    for name, size in SIZES.items():
        for connections in scale.inbound_connections:
            count = max(scale.inbound * 4096 // size // rounds, connections * 2)
            ours, theirs = Outcome(), Outcome()
            for _ in range(rounds):
                targets = [people[n % len(people)] for n in range(connections)]
                messages = [sender.signed(to, size) for to in targets]
                ours = ours.better_of(
                    _round(product.port("smtp"), targets, messages, count, product.processes()[0])
                )
                if postfix is not None:
                    theirs = theirs.better_of(
                        _round(postfix.mx_port, targets, messages, count, postfix.pid)
                    )
            many = "connection" if connections == 1 else "connections"
            yield from _rows(f"{name}, {connections} {many}", ours, theirs)
    yield from _group(product, sender, scale)


def _rows(what: str, ours: Outcome, theirs: Outcome) -> Iterator[Row]:
    peer = "Postfix, unchecked"
    yield Row(
        section=SECTION,
        what=what,
        value=ours.rate,
        unit="/s",
        peer=peer,
        peer_value=theirs.rate or None,
        goal=2.0,
    )
    for name, value, of_peer in (
        ("p99", ours.p99, theirs.p99),
        ("processor time", ours.cpu, theirs.cpu),
    ):
        yield Row(
            section=SECTION,
            what=f"{what}, {name}",
            value=value * 1000,
            unit="ms",
            peer=peer,
            peer_value=of_peer * 1000 or None,
            lower_is_better=True,
        )


def _round(
    port: int, targets: list[str], messages: list[bytes], count: int, server: int
) -> Outcome:
    connections = [Connection(port) for _ in targets]
    drive({connection: smtp_hello(HOST) for connection in connections})
    took: list[float] = []
    before = processor_seconds(server)
    spent = drive(
        {
            connection: submissions(
                SENDER, to, message, count // len(targets), took, pipelining=True
            )
            for connection, to, message in zip(connections, targets, messages, strict=True)
        }
    )
    computed = processor_seconds(server) - before
    for connection in connections:
        connection.close()
    took.sort()
    return Outcome(len(took) / spent, took[int(len(took) * 0.99)], computed / len(took))


def _group(product: Workpost, sender: Sender, scale: Scale) -> Iterator[Row]:
    """Single deliveries while a message to a large group is being delivered."""
    address = asyncio.run(_make_group(product, scale.group))
    to = product.people[0]
    single = sender.signed(to, 4096)
    port = product.port("smtp")
    alone = _round(port, [to], [single], scale.singles, product.processes()[0])
    _round(port, [address], [sender.signed(address, 4096)], 1, product.processes()[0])
    connection = Connection(port)
    drive({connection: smtp_hello(HOST)})
    took: list[float] = []
    started = time.perf_counter()
    while not took or _waiting(product):
        drive({connection: submissions(SENDER, to, single, 10, took, pipelining=False)})
        if time.perf_counter() - started > 120:
            raise Unexpected("the group's mail is not delivered in two minutes")
    spent = time.perf_counter() - started
    connection.close()
    took.sort()
    yield Row(
        section=SECTION,
        what=f"p99 of single deliveries beside a message to a group of {scale.group}",
        value=took[int(len(took) * 0.99)] * 1000,
        unit="ms",
        peer="the same, alone",
        peer_value=alone.p99 * 1000,
        lower_is_better=True,
        aim=SINGLE_P99,
    )
    yield Row(
        section=SECTION,
        what=f"deliveries of that message to the {scale.group} beside them",
        value=scale.group / spent,
        unit="/s",
    )


def _waiting(product: Workpost) -> bool:
    return asyncio.run(_count_waiting(product)) > 0


async def _count_waiting(product: Workpost) -> int:
    async with product.attached() as core:
        return len(await list_queue(core))


async def _make_group(product: Workpost, size: int) -> str:
    """A group of so many people with mailboxes; its address."""
    async with product.attached() as core:
        grant = Grant.system("benchmark", product.organization)
        names = [f"member-{n}" for n in range(size)]
        entities = await create_users(core, product.organization, names)
        address = f"{GROUP}@{product.domain}"
        group = await directory.create_group(core, grant, name=GROUP, hidden=False)
        await register_to_workmail(core, grant, group, address)
        for start_at in range(0, size, 64):
            some = list(zip(entities, names, strict=True))[start_at : start_at + 64]
            await asyncio.gather(
                *(
                    _join(core, grant, group, entity, f"{name}@{product.domain}")
                    for entity, name in some
                )
            )
        return address


async def _join(core: Core, grant: Grant, group: str, entity: str, address: str) -> None:
    await register_to_workmail(core, grant, entity, address)
    await directory.add_member(core, grant, group=group, member=entity)

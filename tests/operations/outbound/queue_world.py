"""A runner of outbound mail over a real store and real sockets, and what comes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tests.operations.mailflow.mails import envelope, stories
from tests.support.directories import Directory
from tests.support.mailboxes import log_in, message
from tests.support.smtp_sink import SmtpSink
from workpost.integrations.smtp.times import Times
from workpost.kernel.outbound_settings import Outbound
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.runner import deliver_one
from workpost.operations.mailflow.signing import sign
from workpost.operations.outbound.runner import OutboundRunner
from workpost.operations.outbound.transport import Transport
from workpost.store.core import Core

QUICK = Times(
    connect=2, greeting=2, hello=2, tls=2, login=2, mail=2, recipient=2, data=2, block=2, end=2,
    reset=2, attempt=20,
)  # fmt: skip
THERE = "bob@elsewhere.example"


class World:
    """The organization of `house`, a server elsewhere, and the runner between them."""

    def __init__(self, house: Directory, sink: SmtpSink) -> None:
        self.house = house
        self.sink = sink
        self.core = self._core(house.core)
        self.runner = self.new_runner()

    def _core(self, core: Core) -> Core:
        outbound = Outbound(routes=(f"*={self.sink.place}",), idle_seconds=0)
        settings = msgspec.structs.replace(
            core.settings, hostname="mail.demo.test", outbound=outbound
        )
        return msgspec.structs.replace(core, settings=settings)

    def set(self, **queue: Any) -> None:
        """Change settings of the queue."""
        changed = msgspec.structs.replace(self.core.settings.queue, **queue)
        self.core.settings = msgspec.structs.replace(self.core.settings, queue=changed)

    def new_runner(self, sender: Any = None) -> OutboundRunner:
        """Another runner, as another process has one."""
        return OutboundRunner(self.core, sender or Transport(self.core, times=QUICK), sign)

    async def submit(self, *recipients: str, raw: bytes = b"", **more: Any) -> str:
        """Ada writes to people elsewhere; returns the trace id."""
        hold_until = more.pop("hold_until", None)
        ada = await log_in(self.core, "ada@demo.test")
        sent: Envelope = msgspec.structs.replace(envelope(*(recipients or (THERE,))), **more)
        return await pipeline.submit(
            self.core, ada, sent, raw or message("Lunch?"), hold_until=hold_until
        )

    async def work(self) -> None:
        """Send all that is due, and deliver what that makes for people here."""
        await asyncio.wait_for(self.runner.idle(), 30)
        while await deliver_one(self.core):
            pass

    async def due(self) -> None:
        """Let time pass until everything that waits is due."""
        await self.house.change("UPDATE queue_rcpt SET due = 0 WHERE state = 'waiting'")
        await self.house.change("UPDATE queue_route SET until = 0")

    async def age(self, hours: float) -> None:
        """Let everything in the queue be older, and due."""
        await self.house.change("UPDATE queue SET created = created - ?", int(hours * 3_600_000))
        await self.due()

    async def waiting(self) -> list[dict[str, Any]]:
        """What is in the queue."""
        return await list_queue(self.core)

    async def events(self, kind: str = "OUTGOING_EMAIL_%") -> list[dict[str, Any]]:
        """What the organization's events of a kind tell."""
        return await stories(self.house, kind)


def heal(runner: OutboundRunner) -> None:
    """Let a runner have seen the database for long enough to take over."""
    runner._healthy_since -= runner.healthy_for

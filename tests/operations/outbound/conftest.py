"""A transport whose settings, DNS and servers are the test's own."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from tests.support.dns import DnsServer
from tests.support.outside import Authority
from tests.support.smtp_sink import SmtpSink
from workpost.formats.mime.report_mail import ReportHead
from workpost.formats.tls_feedback import write_feedback
from workpost.integrations.dns.memory import MemoryResolver
from workpost.integrations.dns.real import DnsResolver
from workpost.integrations.smtp.base import Mail, MailRecipient, Outcome
from workpost.integrations.smtp.times import Times
from workpost.kernel.clock import FixedEnvironment, SystemEnvironment
from workpost.kernel.outbound_settings import Outbound
from workpost.kernel.settings import Settings
from workpost.operations.outbound.tls_tallies import GATHERER
from workpost.operations.outbound.transport import Transport
from workpost.store.core import Core

ROUTE = "example.test"
CONTENT = b"From: ada@demo.test\r\nSubject: Hello\r\n\r\nGood morning.\r\n.\r\n..two\r\n"
QUICK = Times(
    connect=2, greeting=2, hello=2, tls=2, login=2, mail=2, recipient=2, data=2, block=2, end=2,
    reset=2, attempt=20,
)  # fmt: skip


def make_mail(*recipients: str, **more: Any) -> Mail:
    """Mail of Ada's for some people, who are numbered from 100."""
    listed = [
        MailRecipient(100 + number, each)
        for number, each in enumerate(recipients or ("grace@example.test",))
    ]
    return Mail(**{"sender": "ada@demo.test", "recipients": listed, "content": CONTENT, **more})


class Nowhere:
    """A store that is never asked: what is counted for reports waits for it."""


class Sender:
    """A transport and what is around it."""

    def __init__(self, **settings: Any) -> None:
        self.resolver = MemoryResolver()
        self.env = FixedEnvironment(SystemEnvironment().now())
        self.core = Core(
            store=Nowhere(),
            keys=None,
            contents=None,
            resolver=self.resolver,
            env=self.env,
            settings=Settings(
                data_dir=self.data,
                hostname="mail.demo.test",
                outbound=Outbound(**{"tls_reports": "ada@demo.test", **settings}),
            ),
        )
        self.transport: Transport

    opened: ClassVar[list[Sender]] = []
    data: ClassVar[str] = ""

    def open(self, times: Times = QUICK, **more: Any) -> Sender:
        self.transport = Transport(self.core, times=times, **more)
        self.opened.append(self)
        return self

    def set(self, **settings: Any) -> None:
        """Change settings, as SIGHUP does."""
        changed = msgspec.structs.replace(self.core.settings.outbound, **settings)
        self.core.settings = msgspec.structs.replace(self.core.settings, outbound=changed)

    async def send(self, *recipients: str, route: str = ROUTE, **more: Any) -> list[Outcome]:
        return await self.transport.attempt(route, make_mail(*recipients, **more))


MakeSender = Callable[..., Sender]
MakeSink = Callable[..., SmtpSink]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Issues certificates that the sender trusts."""
    return Authority(tmp_path_factory.mktemp("outbound-ca"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Issues certificates that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger-ca"))


@pytest.fixture
def make_sink() -> Iterator[MakeSink]:
    """`make_sink(...)`: a server that is closed after the test."""
    made: list[SmtpSink] = []

    def make(*args: Any, **more: Any) -> SmtpSink:
        made.append(SmtpSink(*args, **more))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def sink(make_sink: MakeSink) -> SmtpSink:
    """A server without TLS."""
    return make_sink()


@pytest.fixture(autouse=True)
def around_senders(runner: asyncio.Runner, tmp_path: Path) -> Iterator[None]:
    """A data directory for a test's senders; their sessions end while the loop runs."""
    Sender.data = str(tmp_path)
    yield
    while Sender.opened:
        runner.run(Sender.opened.pop().transport.close())


@pytest.fixture
def sender(sink: SmtpSink) -> Sender:
    """A sender with a static route to `sink`."""
    return Sender(routes=(f"{ROUTE}={sink.place}",)).open()


def report_of(world: World, domain: str = "example.test") -> dict[str, Any]:
    """What a domain would be told of today so far."""
    core = world.sender.core
    rows = [
        (seen, count)
        for (_, about, seen), count in GATHERER.gathered(core).items()
        if about == domain
    ]
    head = ReportHead(
        organization="Demo", contact="x@demo.test", report_id="1", begin=0, end=1, domain=domain
    )
    found: dict[str, Any] = json.loads(write_feedback(head, rows))
    return found


def trusting(authority: Authority | Path) -> dict[str, str]:
    """The setting by which an authority is trusted."""
    return {"ca_file": str(authority.file if isinstance(authority, Authority) else authority)}


@pytest.fixture
def dns(runner: asyncio.Runner) -> Iterator[DnsServer]:
    server = DnsServer()
    runner.run(server.start())
    yield server
    server.close()


class World:
    """Two hosts of a domain on one port, and a sender that asks the DNS."""

    def __init__(
        self,
        dns: DnsServer,
        make_sink: MakeSink,
        *,
        context: ssl.SSLContext | None = None,
        other: ssl.SSLContext | None = None,
        sts_port: int = 1,
        **settings: Any,
    ) -> None:
        self.dns = dns
        self.first = make_sink("127.0.0.2", context=context)
        self.second = make_sink("127.0.0.3", self.first.port, context=other or context)
        dns.records = {
            ("MX", "example.test"): ["10 mx1.example.test", "20 mx2.example.test"],
            ("A", "mx1.example.test"): ["127.0.0.2"],
            ("A", "mx2.example.test"): ["127.0.0.3"],
        }
        self.sender = Sender(allow=("127.0.0.0/8",), idle_seconds=0, **settings)
        place = dns._transport.get_extra_info("sockname")
        self.sender.core.resolver = DnsResolver([place])
        self.sender.open(smtp_port=self.first.port, sts_port=sts_port)

    async def send(self, *recipients: str, **more: object) -> list[Outcome]:
        return await self.sender.send(*recipients, **more)


@pytest.fixture
def world(dns: DnsServer, make_sink: MakeSink) -> World:
    return World(dns, make_sink)

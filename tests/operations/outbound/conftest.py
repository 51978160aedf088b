"""A transport whose settings, DNS and servers are the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.outside import Authority
from tests.support.smtp_sink import SmtpSink
from workpost.integrations.dns.memory import MemoryResolver
from workpost.integrations.smtp.base import Mail, MailRecipient, Outcome
from workpost.integrations.smtp.times import Times
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.outbound_settings import Outbound
from workpost.kernel.settings import Settings
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


class Sender:
    """A transport and what is around it."""

    def __init__(self, **settings: Any) -> None:
        self.resolver = MemoryResolver()
        self.env = FixedEnvironment()
        self.core = Core(
            store=None,
            keys=None,
            contents=None,
            resolver=self.resolver,
            env=self.env,
            settings=Settings(hostname="mail.demo.test", outbound=Outbound(**settings)),
        )
        self.transport: Transport

    def open(self, times: Times = QUICK, **more: Any) -> Sender:
        self.transport = Transport(self.core, times=times, **more)
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


@pytest.fixture
def sender(runner: asyncio.Runner, sink: SmtpSink) -> Iterator[Sender]:
    """A sender with a static route to `sink`."""
    made = Sender(routes=(f"{ROUTE}={sink.place}",)).open()
    yield made
    runner.run(made.transport.close())


def trusting(authority: Authority | Path) -> dict[str, str]:
    """The setting by which an authority is trusted."""
    return {"ca_file": str(authority.file if isinstance(authority, Authority) else authority)}

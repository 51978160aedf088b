"""A post office: SMTP in, IMAP out and a DNS, on one loop, for mail from strangers."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tests.support.directories import PASSWORD, Directory
from tests.support.dns import DnsServer
from tests.support.stores import Run
from workpost.domain.access import shell as access
from workpost.integrations.dns.caching import CachingResolver
from workpost.integrations.dns.real import DnsResolver
from workpost.kernel.mail_settings import Authentication, Dmarc
from workpost.protocols.imap.server import ImapServer
from workpost.protocols.imap.server import ListenerOptions as ImapOptions
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role

HOST = "mx.demo.test"
JUNK = '"Junk E-mail"'


class PostOffice:
    """`dns` answers; `send` is a stranger's client at 127.0.0.1, `read` a person's."""

    def __init__(self, house: Directory) -> None:
        self.dns = DnsServer()
        # No network is trusted: the strangers of a test come from loopback.
        self.core = msgspec.structs.replace(
            house.core,
            settings=msgspec.structs.replace(
                house.core.settings,
                hostname=HOST,
                authentication=Authentication(trusted_networks=()),
            ),
        )
        self.house = Directory(self.core, house.account, house.organization, house.domain)

    async def start(self) -> None:
        server = await self.dns.start()
        self.core.resolver = CachingResolver(DnsResolver([server]), self.core.env.monotonic)
        service = MailFlowService(self.core)
        self._mx = SmtpServer(service, ListenerOptions(Role.MX, HOST), Shared(), certificates=None)
        self._imap = ImapServer(
            self.core, access, ImapOptions(plaintext_auth=True), Shared(), certificates=None
        )
        self.ports = []
        for each in (self._mx, self._imap):
            bound = socket.create_server(("127.0.0.1", 0))
            await each.start([bound])
            self.ports.append(bound.getsockname()[1])

    async def stop(self) -> None:
        await self._mx.stop(1)
        await self._imap.stop(1)
        self.dns.close()

    def adjust(self, **more: Any) -> None:
        """Settings of the sections `authentication` (by its keys) and `dmarc` (`reject`)."""
        settings = self.core.settings
        if "reject" in more:
            settings = msgspec.structs.replace(settings, dmarc=Dmarc(reject=more.pop("reject")))
        authentication = msgspec.structs.replace(settings.authentication, **more)
        self.core.settings = msgspec.structs.replace(settings, authentication=authentication)

    async def send(
        self,
        raw: bytes,
        *recipients: str,
        sender: str = "bob@author.example",
        helo: str = "mail.author.example",
    ) -> tuple[int, bytes]:
        """(code, text) of the reply to the message."""
        return await asyncio.to_thread(
            self._send, raw, recipients or ("grace@demo.test",), sender, helo
        )

    def _send(
        self, raw: bytes, recipients: tuple[str, ...], sender: str, helo: str
    ) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", self.ports[0], helo, timeout=30) as client:
            client.ehlo()
            assert client.mail(sender)[0] == 250
            for each in recipients:
                assert client.rcpt(each)[0] == 250
            return client.data(raw)

    async def read(self, folder: str = "INBOX", who: str = "grace@demo.test") -> list[bytes]:
        """The messages in a person's folder, as IMAP gives them."""
        return await asyncio.to_thread(self._read, folder, who)

    def _read(self, folder: str, who: str) -> list[bytes]:
        with imaplib.IMAP4("127.0.0.1", self.ports[1], timeout=30) as client:
            client.login(who, PASSWORD)
            assert client.select(folder, readonly=True)[0] == "OK"
            _, (numbers,) = client.search(None, "ALL")
            found: list[Any] = [
                client.fetch(each.decode(), "(BODY.PEEK[])")[1][0] for each in numbers.split()
            ]
            return [raw for _, raw in found]


@contextmanager
def post_office(run: Run[Any], house: Directory) -> Iterator[PostOffice]:
    """An open one, closed afterwards."""
    office = PostOffice(house)
    run(office.start())
    yield office
    run(office.stop())

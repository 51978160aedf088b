"""A self-test of a server that runs: what it reports, and what it says of mail that is lost."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.operations.selftest.test_selftest import names
from tests.support.directories import PASSWORD, Directory, bare_core
from tests.support.mailboxes import house, mail_core
from workpost.domain.access import shell as access
from workpost.domain.organizations import domains_shell
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.domains.verification import verify_now
from workpost.operations.selftest import clients
from workpost.operations.selftest.clients import JUNK, Failed, await_message, mailbox
from workpost.operations.selftest.running import places, run_selftest
from workpost.protocols.imap.server import ImapServer
from workpost.protocols.imap.server import ListenerOptions as ImapOptions
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role

__all__ = ["bare_core", "house", "mail_core"]

HOST = "mail.demo.test"


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One engine: nothing here depends on it."""
    return Settings(data_dir=str(tmp_path_factory.mktemp("selftest") / "data"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_self_signed(tmp_path_factory.mktemp("tls"), HOST, dt.datetime.now(dt.UTC))


@contextlib.asynccontextmanager
async def serving(house: Directory, certificate: Path) -> AsyncIterator[dict[str, str]]:
    """The three listeners that a self-test needs, as endpoints.json names them."""
    shared, certificates = Shared(), Certificates(certificate)
    service = MailFlowService(house.core)
    servers: dict[str, SmtpServer | ImapServer] = {
        "submission": SmtpServer(
            service, ListenerOptions(Role.SUBMISSION, HOST), shared, certificates=certificates
        ),
        "smtp": SmtpServer(
            service, ListenerOptions(Role.MX, HOST), shared, certificates=certificates
        ),
        "imaps": ImapServer(
            house.core, access, ImapOptions(implicit_tls=True), shared, certificates=certificates
        ),
    }
    endpoints = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, server in servers.items():
            bound = socket.create_server(("127.0.0.1", 0))
            await server.start([bound])
            stack.push_async_callback(server.stop, 1)
            endpoints[name] = f"{name}://127.0.0.1:{bound.getsockname()[1]}"
        yield endpoints


SUBMISSION = ("submission over TLS, logged in", "reading it over IMAP")
INBOUND = ("as another server over TLS", "reading it over IMAP", "its DKIM signatures")


async def test_each_step_of_a_server_that_works_is_told(
    house: Directory, certificate: Path
) -> None:
    async with serving(house, certificate) as endpoints:
        steps = await run_selftest(house.core, endpoints, house.organization, house.domain)
    assert [step.problem for step in steps] == [""] * 5
    assert tuple(step.name for step in steps) == SUBMISSION + INBOUND
    assert all(step.milliseconds > 0 for step in steps[:-1])
    assert "no key signs yet" in steps[-1].remark
    assert await names(house) == {"ada", "grace"}


async def test_signatures_that_dns_knows_are_verified(house: Directory, certificate: Path) -> None:
    core, grant = house.core, Grant.system("test", house.organization)
    await domains_shell.register_domain(core, grant, "example.org")
    await verify_now(core, core.resolver, grant, "example.org", force=True)
    async with serving(house, certificate) as endpoints:
        unknown = await run_selftest(core, endpoints, house.organization, "example.org")
        assert isinstance(core.resolver, MemoryResolver)
        for record in await domains_shell.key_records(core, grant, "example.org"):
            name = f"{record.name.partition('.')[0]}._domainkey.example.org"
            core.resolver.records["TXT", name] = [record.value]
        known = await run_selftest(core, endpoints, house.organization, "example.org")
    assert unknown[-1].name == known[-1].name == INBOUND[-1]
    assert "permerror" in unknown[-1].problem
    assert (known[-1].problem, known[-1].remark) == ("", "pass rsa-sha256, pass ed25519-sha256")


async def test_a_recipient_who_is_refused_is_told_with_the_servers_words(
    house: Directory, certificate: Path
) -> None:
    async with serving(house, certificate) as endpoints:
        place = places(endpoints)["smtp"]

        def send() -> None:
            sender = "bob@else.example"
            clients.send(place, HOST, sender, "nobody@demo.test", b"Subject: x\r\n\r\nx\r\n")

        with pytest.raises(Failed, match=r"the server answers 550 5\.1\.1"):
            await asyncio.to_thread(send)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Look into the junk at once, and give up after these seconds."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(clients, "SOON", 0.0)
        monkeypatch.setattr(clients, "SECONDS", seconds)

    return set_to


@pytest.mark.parametrize(
    ("folder", "told"), [(JUNK, "taken for junk"), ("Drafts", "accepted, but not in INBOX")]
)
async def test_mail_that_is_not_in_the_inbox_is_told(
    house: Directory,
    certificate: Path,
    hurry: Callable[[float], None],
    folder: str,
    told: str,
) -> None:
    async with serving(house, certificate) as endpoints:
        place = places(endpoints)["imaps"]

        def read() -> None:
            with mailbox(place, "grace@demo.test", PASSWORD) as client:
                raw = b"Message-ID: <1@demo.test>\r\nSubject: x\r\n\r\nx\r\n"
                assert client.append(f'"{folder}"', "", "", raw)[0] == "OK"
                hurry(30.0 if folder == JUNK else 0.2)
                await_message(client, "<1@demo.test>")

        with pytest.raises(Failed, match=told):
            await asyncio.to_thread(read)


async def test_a_mailbox_that_does_not_open_is_told(house: Directory, certificate: Path) -> None:
    async with serving(house, certificate) as endpoints:
        place = places(endpoints)["imaps"]

        def read() -> None:
            with mailbox(place, "grace@demo.test", "wrong"):
                pytest.fail("a wrong password opens it")

        with pytest.raises(Failed, match="the mailbox cannot be read"):
            await asyncio.to_thread(read)

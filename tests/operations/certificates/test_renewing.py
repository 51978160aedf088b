"""Certificates of an authority (RFC 8555): a real order over TLS, answered at our own port 80."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography import x509

from tests.support.acme import AcmeServer
from tests.support.directories import Directory, bare_core, demo
from tests.support.port80 import Port80Server
from tests.support.stores import Run
from workpost.domain.organizations import domains_shell
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.operator_settings import Acme
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.certificates.files import AcmeFiles
from workpost.operations.certificates.inspecting import Facts, read_facts
from workpost.operations.certificates.renewing import is_due, pause_ms, renew_if_due, wanted_names
from workpost.operations.domains.verification import verify_now
from workpost.store.core import Core

__all__ = ["bare_core", "demo"]

HOST = "mail.example.test"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[AcmeServer]:
    made = AcmeServer(tmp_path / "authority")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waits a second before it looks for a certificate."""
    monkeypatch.setattr("acme.client.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One engine: nothing here depends on it."""
    return Settings(data_dir=str(tmp_path_factory.mktemp("certificates") / "data"))


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment(int(dt.datetime.now(dt.UTC).timestamp() * 1000))


@pytest.fixture
def acme_core(bare_core: Core, authority: AcmeServer, tmp_path: Path) -> Core:
    acme = Acme(
        enabled=True,
        agree_tos=True,
        directory=authority.directory,
        contact=("ada@example.test",),
        ca_file=str(authority.ca_file),
    )
    return msgspec.structs.replace(
        bare_core,
        settings=msgspec.structs.replace(
            bare_core.settings, hostname=HOST, acme=acme, data_dir=str(tmp_path / "node")
        ),
        resolver=MemoryResolver({("A", HOST): ["192.0.2.1"]}),
    )


@pytest.fixture
def files(acme_core: Core) -> AcmeFiles:
    return AcmeFiles(acme_core.settings.tls_dir)


@pytest.fixture
def port80(run: Run[Any], acme_core: Core, authority: AcmeServer) -> Iterator[Port80Server]:
    made: Port80Server = run(Port80Server.start(acme_core))
    authority.ports[HOST] = made.port
    yield made
    run(made.stop())


def facts(files: AcmeFiles) -> Facts:
    return read_facts(files.certificate.read_bytes())


@pytest.mark.usefixtures("port80")
async def test_a_first_start_fetches_a_certificate_for_the_host_name(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer
) -> None:
    assert await renew_if_due(acme_core, files)

    assert facts(files).names == {HOST}
    assert authority.contacts == [["mailto:ada@example.test"]]
    pem = files.certificate.read_bytes()
    leaf, issuer = x509.load_pem_x509_certificates(pem)
    leaf.verify_directly_issued_by(issuer)
    assert leaf.public_key() == files.private_key().public_key()
    assert files.state().failures == 0


@pytest.mark.usefixtures("port80")
async def test_only_the_owner_reads_what_is_kept(acme_core: Core, files: AcmeFiles) -> None:
    await renew_if_due(acme_core, files)

    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    for path in files.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.usefixtures("port80")
async def test_a_good_certificate_is_left_alone(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer
) -> None:
    await renew_if_due(acme_core, files)

    assert not await renew_if_due(acme_core, files)
    assert len(authority.issued) == 1


@pytest.mark.usefixtures("port80")
async def test_a_renewal_keeps_key_and_account(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer, env: FixedEnvironment
) -> None:
    await renew_if_due(acme_core, files)
    first = facts(files)
    env.advance(61 * 86_400_000)

    assert await renew_if_due(acme_core, files)

    assert len(authority.issued) == 2
    assert authority.issued[0].public_key() == authority.issued[1].public_key()
    assert len(authority.contacts) == 1
    assert facts(files).names == first.names


@pytest.mark.usefixtures("port80")
async def test_a_nonce_that_is_not_good_is_replaced(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer
) -> None:
    """RFC 8555 6.5: the client tries again with a new one."""
    authority.bad_nonces = 1
    assert await renew_if_due(acme_core, files)


async def test_a_port_that_does_not_answer_leaves_a_reason_and_a_pause(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer, env: FixedEnvironment
) -> None:
    assert not await renew_if_due(acme_core, files)

    state = files.state()
    assert "no address" in state.reason
    assert (state.failures, state.not_before) == (1, env.now() + pause_ms(1))
    assert not await renew_if_due(acme_core, files)
    assert len(authority.asked) == 1
    env.advance(pause_ms(1))
    assert not await renew_if_due(acme_core, files)
    assert files.state().failures == 2


async def test_an_operator_who_asks_does_not_wait(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer
) -> None:
    await renew_if_due(acme_core, files)
    server = await Port80Server.start(acme_core)
    authority.ports[HOST] = server.port

    assert await renew_if_due(acme_core, files, at_once=True)
    await server.stop()


async def test_an_authority_that_is_gone_is_named_and_asked_again_soon(
    acme_core: Core, files: AcmeFiles, env: FixedEnvironment
) -> None:
    acme = msgspec.structs.replace(acme_core.settings.acme, directory="https://localhost:9/dir")
    acme_core.settings = msgspec.structs.replace(acme_core.settings, acme=acme)

    assert not await renew_if_due(acme_core, files)
    state = files.state()
    assert "https://localhost:9/dir cannot be asked" in state.reason
    assert (state.failures, state.not_before - env.now()) == (0, 5 * 60_000)


@pytest.mark.usefixtures("port80")
async def test_an_authority_that_is_not_trusted_gets_no_order(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer
) -> None:
    acme = msgspec.structs.replace(acme_core.settings.acme, ca_file="")
    acme_core.settings = msgspec.structs.replace(acme_core.settings, acme=acme)

    assert not await renew_if_due(acme_core, files)
    assert "SSLError" in files.state().reason
    assert authority.contacts == []


@pytest.mark.usefixtures("port80")
@pytest.mark.parametrize("refused", [False, True])
async def test_a_name_that_cannot_be_proven_does_not_cost_the_others(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer, env: FixedEnvironment, refused: bool
) -> None:
    acme = msgspec.structs.replace(acme_core.settings.acme, names=("gone.example.test",))
    acme_core.settings = msgspec.structs.replace(acme_core.settings, acme=acme)
    if refused:
        authority.refused_names.add("gone.example.test")

    assert await renew_if_due(acme_core, files)

    assert facts(files).names == {HOST}
    assert files.state().failures == 1
    assert not await renew_if_due(acme_core, files)
    # Tried again later, without another certificate of the same names, which authorities count.
    env.advance(pause_ms(1))
    assert not await renew_if_due(acme_core, files)
    assert files.state().failures == 2
    assert len(authority.issued) == 1


@pytest.mark.usefixtures("port80")
async def test_verified_domains_join_when_dns_leads_them_here(
    acme_core: Core, files: AcmeFiles, authority: AcmeServer, port80: Port80Server, demo: Directory
) -> None:
    grant = Grant.system("test", demo.organization)
    await domains_shell.register_domain(acme_core, grant, "example.org")
    await domains_shell.register_domain(acme_core, grant, "elsewhere.org")
    for name in ("example.org", "elsewhere.org"):
        await verify_now(acme_core, acme_core.resolver, grant, name, force=True)
    assert isinstance(acme_core.resolver, MemoryResolver)
    acme_core.resolver.records |= {
        ("CNAME", "mta-sts.example.org"): [HOST],
        ("A", "autodiscover.example.org"): ["192.0.2.1"],
        ("A", "mta-sts.elsewhere.org"): ["192.0.2.99"],
    }
    assert await wanted_names(acme_core) == [
        HOST,
        "mta-sts.example.org",
        "autodiscover.example.org",
    ]
    authority.ports |= dict.fromkeys(
        ("mta-sts.example.org", "autodiscover.example.org"), port80.port
    )

    assert await renew_if_due(acme_core, files)
    assert facts(files).names == {HOST, "mta-sts.example.org", "autodiscover.example.org"}

    acme_core.resolver.broken = True
    assert not await renew_if_due(acme_core, files), "a silent DNS takes no name away"


def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left() -> None:
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    held = Facts(frozenset({HOST}), begin, begin + dt.timedelta(days=90), "CN=x", False)

    assert not is_due(held, [HOST], begin + dt.timedelta(days=59))
    assert is_due(held, [HOST], begin + dt.timedelta(days=60))
    assert is_due(held, [HOST, "mta-sts.example.org"], begin)
    assert is_due(None, [HOST], begin)


def test_pauses_double_up_to_half_a_day() -> None:
    assert [pause_ms(n) // 60_000 for n in (1, 2, 3, 6, 7, 100)] == [15, 30, 60, 480, 720, 720]


def test_a_wildcard_stands_for_one_label() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    held = Facts(frozenset({"*.example.test"}), now, now, "", False)
    assert held.covers("Mail.example.test")
    assert not held.covers("a.mail.example.test")
    assert not held.covers("example.test")


@pytest.mark.usefixtures("port80")
async def test_another_account_has_another_thumbprint(acme_core: Core, files: AcmeFiles) -> None:
    """An operator who deletes the account's key gets a new account."""
    await renew_if_due(acme_core, files)
    before = files.thumbprint()
    (files.folder / "account.json").unlink()
    (files.folder / "certificate.pem").unlink()

    assert await renew_if_due(acme_core, files)
    assert files.thumbprint() != before


@pytest.mark.parametrize("name", ["account.json", "key.pem"])
async def test_files_that_are_broken_are_told_of(
    acme_core: Core, files: AcmeFiles, name: str
) -> None:
    files.prepare()
    (files.folder / name).write_text("?")
    if name == "account.json":
        with pytest.raises(ValueError):
            await renew_if_due(acme_core, files)
    else:
        assert not await renew_if_due(acme_core, files)
        assert files.state().failures == 1

"""Certificates that are replaced while the server runs are shown to whoever comes next."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from tests.support.directories import bare_core
from workpost.kernel.operator_settings import Acme
from workpost.kernel.settings import Settings, SettingsError, Tls
from workpost.node import certificates as watching
from workpost.node.certificates import CertificateWatch, certificates
from workpost.operations.certificates.files import AcmeFiles
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.store.core import Core

__all__ = ["bare_core"]

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=str(tmp_path_factory.mktemp("watch") / "data"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.02)


def issue(folder: Path, name: str) -> bytes:
    """Key and certificate of a name, in PEM."""
    return ensure_self_signed(folder / name, name, NOW).read_bytes()


def replace(path: Path, data: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(data)
    os.replace(new, path)


async def shown(tls: Certificates) -> str:
    """The name in the certificate that a client is shown."""

    async def greet(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls.context)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = server.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    server.close()
    certificate = x509.load_der_x509_certificate(der)
    return certificate.subject.rfc4514_string().removeprefix("CN=")


async def becomes(tls: Certificates, name: str) -> None:
    for _ in range(1_500):
        if await shown(tls) == name:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{name} is not shown")


async def test_a_fetched_certificate_takes_the_place_of_the_self_signed_one(
    bare_core: Core, tmp_path: Path
) -> None:
    acme = Acme(enabled=True, agree_tos=True)
    bare_core.settings = msgspec.structs.replace(
        bare_core.settings, acme=acme, data_dir=str(tmp_path)
    )
    own = ensure_self_signed(tmp_path / "tls", "own.test", NOW)
    tls = certificates(bare_core.settings, own)
    watch = CertificateWatch(bare_core, tls, own)
    watch.start()
    assert await shown(tls) == "own.test"

    fetched = AcmeFiles(bare_core.settings.tls_dir).certificate
    fetched.parent.mkdir()
    replace(fetched, issue(tmp_path, "fetched.test"))
    await becomes(tls, "fetched.test")
    replace(fetched, b"not a certificate")
    await asyncio.sleep(0.1)
    assert await shown(tls) == "fetched.test"
    replace(fetched, issue(tmp_path, "renewed.test"))
    await becomes(tls, "renewed.test")
    watch.stop()


async def test_replaced_files_of_another_program_need_no_signal(
    bare_core: Core, tmp_path: Path
) -> None:
    """The two files are replaced one after the other; between them the old pair stays."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    for path in (key, certificate):
        replace(path, issue(tmp_path, "first.test"))
    bare_core.settings = msgspec.structs.replace(
        bare_core.settings, tls=Tls(certificate=str(certificate), key=str(key))
    )
    tls = certificates(bare_core.settings, Path())
    watch = CertificateWatch(bare_core, tls, Path())
    watch.start()
    second = issue(tmp_path, "second.test")
    replace(certificate, second[second.index(b"-----BEGIN CERT") :])
    await asyncio.sleep(0.1)
    assert await shown(tls) == "first.test"
    replace(key, second)
    await becomes(tls, "second.test")
    watch.stop()


def test_a_fetched_certificate_that_is_broken_keeps_nobody_from_starting(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), acme=Acme(enabled=True, agree_tos=True))
    own = ensure_self_signed(tmp_path / "tls", "own.test", NOW)
    fetched = AcmeFiles(settings.tls_dir).certificate
    fetched.parent.mkdir()
    fetched.write_bytes(b"?")
    assert isinstance(certificates(settings, own), Certificates)


def test_configured_files_that_are_broken_do(tmp_path: Path) -> None:
    path = tmp_path / "x.pem"
    path.write_bytes(b"?")
    settings = Settings(data_dir=str(tmp_path), tls=Tls(certificate=str(path), key=str(path)))
    with pytest.raises(SettingsError, match="are not a certificate and its key"):
        certificates(settings, Path())

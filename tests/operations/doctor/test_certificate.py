"""What the doctor says of the certificate: trust, names of policies, renewal."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.operations.doctor.conftest import DOMAIN, HOST, NOW, Zone
from tests.support.talking import listening, says
from workpost.operations.certificates.files import AcmeFiles, State
from workpost.operations.doctor.certificate import check_certificate
from workpost.operations.doctor.patient import Patient
from workpost.protocols.listening.tls import Certificates, ensure_self_signed


@asynccontextmanager
async def web(tls: Certificates) -> AsyncIterator[str]:
    async with listening(says(b"HTTP/1.1 404 Not Found\r\n\r\n"), tls.context) as where:
        yield f"https://{where}"


def levels(found: list[Any]) -> dict[str, str]:
    return {one.check: one.level for one in found}


@pytest.mark.parametrize(
    ("mode", "led", "level"),
    [("testing", True, "warning"), ("enforce", True, "failure"), ("enforce", False, None)],
)
async def test_a_self_signed_certificate_that_lacks_the_policys_name(
    patient: Patient, zone: Zone, tmp_path: Path, mode: str, led: bool, level: str | None
) -> None:
    """RFC 8461 3.3. A policy's host that is not there yet has no need of a certificate."""
    if not led:
        del zone["CNAME", f"mta-sts.{DOMAIN}"]
    sts = msgspec.structs.replace(patient.settings.mta_sts, mode=mode)
    settings = msgspec.structs.replace(patient.settings, mta_sts=sts)
    tls = Certificates(ensure_self_signed(tmp_path / "tls", HOST, NOW))
    async with web(tls) as where:
        asked = msgspec.structs.replace(patient, settings=settings, endpoints={"https": where})
        found = await check_certificate(asked)
    assert levels(found).get("certificate") == "warning"
    assert levels(found).get("certificate.mta-sts") == level


async def test_a_certificate_that_the_machine_trusts(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dt.datetime.now(dt.UTC)
    own = ensure_self_signed(tmp_path / "tls", f"mta-sts.{DOMAIN}", now)
    settings = msgspec.structs.replace(patient.settings, hostname=f"mta-sts.{DOMAIN}")
    trusting = ssl.create_default_context(cafile=str(own.with_suffix(".crt")))
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    async with web(Certificates(own)) as where:
        asked = msgspec.structs.replace(patient, settings=settings, endpoints={"https": where})
        found = await check_certificate(asked)
    assert levels(found) == {"certificate": "ok", "certificate.mta-sts": "ok"}


async def test_without_a_listener_nothing_is_said_of_it(patient: Patient) -> None:
    assert levels(await check_certificate(patient)) == {"certificate": "skipped"}
    dead = msgspec.structs.replace(patient, endpoints={"imaps": "127.0.0.1:1"})
    assert levels(await check_certificate(dead)) == {"certificate": "skipped"}


async def test_how_the_renewal_goes_is_told(patient: Patient, tmp_path: Path) -> None:
    acme = msgspec.structs.replace(patient.settings.acme, enabled=True, agree_tos=True)
    settings = msgspec.structs.replace(patient.settings, acme=acme, data_dir=str(tmp_path))
    asked = msgspec.structs.replace(patient, settings=settings)
    files = AcmeFiles(settings.tls_dir)

    async def said() -> tuple[str, str]:
        (one,) = [one for one in await check_certificate(asked) if one.check.endswith(".acme")]
        return one.level, one.text

    assert (await said())[0] == "warning"
    files.put_state(State(tried=1, failures=1, reason="mail.example.org: no address"))
    assert await said() == ("failure", "mail.example.org: no address")
    files.put_state(State(tried=1))
    assert (await said())[0] == "ok"

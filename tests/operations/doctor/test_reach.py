"""What the doctor asks others: our public addresses, port 25 elsewhere, DANE, PostgreSQL."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import msgspec
import pytest

from tests.operations.doctor.conftest import HOST, NOW, Zone
from tests.support.talking import listening, repeats, says
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import TryLater
from workpost.kernel.settings import Database, Settings, Tls
from workpost.operations.doctor import outbound, policy, ports
from workpost.operations.doctor.database import check_database
from workpost.operations.doctor.patient import Patient
from workpost.operations.doctor.records import check_domains
from workpost.operations.domains.mta_sts import policy_text
from workpost.operations.domains.site import own_addresses, site_of
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.store.database.condition import look_at
from workpost.store.schema.migrate import migrations


async def test_the_world_reaches_the_usual_ports(
    patient: Patient, zone: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone["A", HOST] = ["127.0.0.1"]
    tls = Certificates(ensure_self_signed(tmp_path / "tls", HOST, NOW))
    async with listening(repeats(b"220 x\r\n", b"250 fine\r\n"), tls.context) as where:
        port = int(where.rpartition(":")[2])
        monkeypatch.setattr(ports, "PUBLIC", {"submissions": port, "imap": 1})
        asked = msgspec.structs.replace(patient, online=True, endpoints={"smtp": "x:1"})
        found = await ports.check_outside(asked)
    assert [(one.check, one.level) for one in found] == [
        ("reach.submissions", "ok"),
        ("reach.imap", "failure"),
    ]
    assert "firewalls" in found[1].advice


async def test_port_25_is_tried_at_the_peers_mail_servers(
    patient: Patient, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone["MX", "gmail.com"] = ["5 a.gmail.test", "10 b.gmail.test"]
    zone["A", "a.gmail.test"] = ["127.0.0.2"]
    zone["A", "b.gmail.test"] = ["127.0.0.1"]
    asked = msgspec.structs.replace(patient, online=True)
    async with listening(says(b"220 x\r\n")) as where:
        port = int(where.rpartition(":")[2])
        monkeypatch.setattr(outbound, "PORT", port)
        (found,) = await outbound.check_outbound(asked)
        assert (found.level, found.subject) == ("ok", "b.gmail.test")
        monkeypatch.setattr(outbound, "PORT", 1)
        (found,) = await outbound.check_outbound(asked)
        assert found.level == "failure"
        assert "relay" in found.advice
    assert isinstance(patient.resolver, MemoryResolver)
    patient.resolver.broken = True
    (found,) = await outbound.check_outbound(asked)
    assert found.level == "skipped"


async def test_a_mail_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.05)
    async with listening(repeats(b"", b"")) as where:
        port = int(where.rpartition(":")[2])
        assert "somebody between drops it" in await outbound.greeting_problem("127.0.0.1", port)


async def test_tlsa_has_to_name_the_key(patient: Patient, zone: Zone, tmp_path: Path) -> None:
    """RFC 7672 3.1.1: who uses DANE does not deliver to another key."""
    pem = str(ensure_self_signed(tmp_path / "tls", HOST, dt.datetime.now(dt.UTC)))
    settings = msgspec.structs.replace(patient.settings, tls=Tls(certificate=pem, key=pem))
    asked = msgspec.structs.replace(patient, settings=settings)
    assert isinstance(patient.resolver, MemoryResolver)

    async def level() -> str:
        (one,) = [one for one in await check_domains(asked) if one.check == "dns.tlsa"]
        return one.level

    assert await level() == "skipped"
    zone["TLSA", f"_25._tcp.{HOST}"] = [f"3 1 1 {'00' * 32}"]
    assert await level() == "warning"
    patient.resolver.secure.add("example.org")
    assert await level() == "failure"
    zone["TLSA", f"_25._tcp.{HOST}"].append(f"3 1 1 {site_of(settings, []).tlsa}")
    assert await level() == "ok"


def test_own_addresses_are_public_ones() -> None:
    assert all(not address.startswith(("10.", "127.", "192.168.")) for address in own_addresses())


@pytest.mark.peer("postgres")
async def test_postgresql_is_asked_for_its_schema(patient: Patient, postgres_database: str) -> None:
    settings = Settings(database=Database(url=postgres_database))
    with pytest.raises(TryLater):
        look_at(settings, 1.0)
    from tests.support.stores import migrate_template

    await asyncio.to_thread(migrate_template, postgres_database)
    assert look_at(settings, 1.0).schema == migrations()[-1].number
    asked = msgspec.structs.replace(patient, settings=settings)
    assert {one.level for one in await check_database(asked)} == {"ok"}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_relay_is_tried_in_place_of_others(lone: Patient, tmp_path: Path, tls: str) -> None:
    made = Certificates(ensure_self_signed(tmp_path / "tls", HOST, NOW))
    context = made.context if tls == "implicit" else None

    async def level(relay: str, *, online: bool = True) -> str:
        change = {"relay": relay, "relay_tls": tls}
        settings = msgspec.structs.replace(
            lone.settings, outbound=msgspec.structs.replace(lone.settings.outbound, **change)
        )
        asked = msgspec.structs.replace(lone, settings=settings, online=online)
        (found,) = await outbound.check_outbound(asked)
        return found.level

    async with listening(says(b"220 relay\r\n"), context) as where:
        assert await level(where) == "ok"
        assert await level(where, online=False) == "skipped"
    assert await level("127.0.0.1:1") == "failure"


@pytest.mark.parametrize(
    ("served", "level", "text"),
    [
        (None, "ok", "testing"),
        ("version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 86400\n", "failure", "names a.test"),
        (f"version: STSv1\nmode: enforce\nmx: {HOST}\nmax_age: 86400\n", "warning", "enforce"),
        ("Hello", "warning", "no policy"),
        ("", "warning", "status 404"),
    ],
)
async def test_policies_are_fetched_as_others_do(
    patient: Patient,
    zone: Zone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    served: str | None,
    level: str,
    text: str,
) -> None:
    zone["A", HOST] = ["127.0.0.1"]
    name = "mta-sts.example.org"
    own = ensure_self_signed(tmp_path / "tls", name, dt.datetime.now(dt.UTC))
    body = policy_text(patient.settings) if served is None else served
    status = "200 OK" if body else "404 Not Found"
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    egress = msgspec.structs.replace(
        patient.settings.egress, allow=("127.0.0.0/8",), ca_file=str(own.with_suffix(".crt"))
    )
    settings = msgspec.structs.replace(patient.settings, egress=egress)
    asked = msgspec.structs.replace(patient, settings=settings, online=True)
    async with listening(says((head + body).encode()), Certificates(own).context) as where:
        monkeypatch.setattr(policy, "PORT", int(where.rpartition(":")[2]))
        (found,) = await policy.check_policies(asked)
    assert (found.level, found.subject) == (level, name), found
    assert text in found.text
    (found,) = await policy.check_policies(asked)
    assert "cannot be fetched" in found.text

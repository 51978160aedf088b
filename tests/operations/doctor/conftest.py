"""A patient that is well, to be made ill in one respect at a time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.directories import Directory, bare_core, demo
from tests.support.stores import Run
from workpost.domain.organizations import domains_shell
from workpost.domain.organizations.publishing import domain_records, host_records
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.doctor.patient import Patient
from workpost.operations.domains.site import site_of
from workpost.operations.domains.verification import verify_now

__all__ = ["bare_core", "demo"]

HOST = "mail.example.org"
DOMAIN = "example.org"
ADDRESS = "192.0.2.25"
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)

Zone = dict[tuple[str, str], list[str]]


@pytest.fixture(scope="session")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One engine: what is read of it is tested with its tables."""
    data = tmp_path_factory.mktemp("doctor") / "data"
    data.mkdir(mode=0o700)
    return Settings(data_dir=str(data))


@pytest.fixture
def patient(run: Run[Any], demo: Directory, tmp_path: Path) -> Patient:
    """A server whose DNS says everything that it should."""
    core = demo.core
    core.settings = msgspec.structs.replace(core.settings, hostname=HOST)
    grant = Grant.system("test", demo.organization)
    zone: Zone = {}

    async def register() -> None:
        await domains_shell.register_domain(core, grant, DOMAIN)
        await verify_now(core, core.resolver, grant, DOMAIN, force=True)
        domain = await domains_shell.get_domain(core, grant, DOMAIN)
        keys = await domains_shell.key_records(core, grant, DOMAIN)
        site = site_of(core.settings, [ADDRESS])
        for record in [*host_records(site), *domain_records(DOMAIN, domain.row.token, keys, site)]:
            zone.setdefault((record.type, record.name), []).append(record.value)

    run(register())
    return Patient(
        settings=core.settings,
        resolver=MemoryResolver(zone),
        env=FixedEnvironment(int(NOW.timestamp() * 1000)),
        core=core,
        addresses=[ADDRESS],
    )


@pytest.fixture
def lone(tmp_path: Path) -> Patient:
    """One without data and DNS, for what needs neither."""
    return Patient(
        settings=Settings(data_dir=str(tmp_path), hostname=HOST),
        resolver=MemoryResolver(),
        env=FixedEnvironment(int(NOW.timestamp() * 1000)),
    )


@pytest.fixture
def zone(patient: Patient) -> Zone:
    assert isinstance(patient.resolver, MemoryResolver)
    return patient.resolver.records

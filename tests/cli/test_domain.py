"""`workpost domain`: records for both zones, a look into DNS, and verification by force."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.zone
import pytest

from tests.support.dns import DnsServer, dns_beside
from workpost.cli.main import main
from workpost.domain.access.accounts import create_account
from workpost.domain.organizations.shell import NewOrganization, create_organization
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core

NAME = "mail.example"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def organization(data: Path) -> str:
    async def make() -> str:
        settings = Settings(data_dir=str(data), hostname="mx.host.example")
        async with attached_core(settings, SystemEnvironment()) as core:
            account = await create_account(core)
            new = NewOrganization(alias="demo", domains=[NAME])
            return await create_organization(core, Grant.system("test", ""), account, new)

    return asyncio.run(make())


@pytest.fixture
def server() -> Iterator[tuple[DnsServer, str]]:
    """A DNS server on a loop of its own."""
    with dns_beside() as made:
        yield made


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["domain", *arguments]) == code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_published_records_verify(
    data: Path,
    organization: str,
    server: tuple[DnsServer, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKPOST_DNS__SERVERS", server[1])
    monkeypatch.setenv("WORKPOST_HOSTNAME", "mx.host.example")
    where = [organization, NAME, "--data", str(data)]
    states = run(capsys, "verify", *where, code=1)
    assert states == {"Domain": NAME, "Ownership": "PENDING", "Dkim": "PENDING"}
    shown = run(capsys, "records", *where)
    for record in (*shown["OwnerRecords"], *shown["ServerRecords"]):
        place = (record["Type"], record["Hostname"])
        server[0].records.setdefault(place, []).append(record["Value"])
    kinds = {each["Value"].split("; ")[1] for each in shown["ServerRecords"]}
    assert kinds == {"k=rsa", "k=ed25519"}
    states = run(capsys, "verify", *where)
    assert states == {"Domain": NAME, "Ownership": "VERIFIED", "Dkim": "VERIFIED"}


def test_force_needs_a_setting(
    data: Path,
    organization: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["domain", "verify", "--force", organization, NAME, "--data", str(data)]
    assert main(arguments) == 1
    assert "dns.force_verification" in capsys.readouterr().err
    monkeypatch.setenv("WORKPOST_DNS__FORCE_VERIFICATION", "true")
    assert run(capsys, *arguments[1:])["Ownership"] == "VERIFIED"


def test_what_is_wrong_is_said_in_one_line(
    data: Path,
    organization: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for where in ((organization, "no.example"), ("m-" + "0" * 32, NAME)):
        assert main(["domain", "records", *where, "--data", str(data)]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("WORKPOST_DNS__SERVERS", "ns.example:53")
    assert main(["domain", "verify", organization, NAME, "--data", str(data)]) == 78
    assert "dns.servers" in capsys.readouterr().err


def test_a_test_domain_has_no_keys_of_its_own(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run(capsys, "records", organization, "demo.test", "--data", str(data))
    assert shown["ServerRecords"] == []
    assert [each["Type"] for each in shown["OwnerRecords"]] == ["MX", "CNAME", "TXT", "TXT"]


def test_everything_that_belongs_into_dns_as_a_zone_file(
    organization: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read by dnspython, as a name server reads it; what is to be filled in is a comment."""
    where = ["--data", str(data)]
    assert main(["domain", "records", organization, NAME, "--zone", *where]) == 0
    text = capsys.readouterr().out
    head = "@ 60 IN SOA a.test. b.test. 1 1 1 1 1\n@ 60 IN NS a.test.\n"
    found = dns.zone.from_text(head + text, origin="example.", relativize=False)
    names = {name.to_text(omit_final_dot=True) for name, _, _ in found.iterate_rdatas()}
    assert {NAME, f"_dmarc.{NAME}", f"mta-sts.{NAME}", f"_imaps._tcp.{NAME}"} <= names
    assert "; other servers bring mail for the domain here\n" in text
    assert main(["domain", "records", organization, "demo.test", "--zone", *where]) == 0
    assert "_domainkey" not in capsys.readouterr().out

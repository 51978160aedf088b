"""`workpost domain dkim`: what it prints, published word for word, lets both signatures verify."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.cli.test_domain import NAME, data, organization, run, server
from tests.support.dns import DnsServer
from tests.support.signers import MESSAGE
from workpost.cli.domain_dkim import zone_line
from workpost.cli.main import main
from workpost.domain.organizations.dns_records import DnsRecord
from workpost.integrations.dns.real import DnsResolver
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core
from workpost.operations.authentication.dkim import verify_dkim
from workpost.operations.mailflow.signing import sign

__all__ = ["data", "organization", "server"]


def publish_zone(server: DnsServer, text: str) -> None:
    """Read lines of a zone file as a name server does."""
    for line in text.splitlines():
        name, _, kind, strings = re.fullmatch(r"(\S+)\. (\d+) IN (\S+) (.*)", line).groups()
        pieces = re.findall(r'"([^"]*)"', strings)
        assert all(len(piece) <= 255 for piece in pieces)
        server.records[kind, name] = ["".join(pieces)]


def test_what_is_printed_makes_both_signatures_verify_before_and_after_a_rotation(
    data: Path,
    organization: str,
    server: tuple[DnsServer, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKPOST_DNS__SERVERS", server[1])
    monkeypatch.setenv("WORKPOST_HOSTNAME", "mx.host.example")
    where = [organization, NAME, "--data", str(data)]

    for record in run(capsys, "records", *where)["OwnerRecords"]:
        server[0].records[record["Type"], record["Hostname"]] = [record["Value"]]
    assert main(["domain", "dkim", "show", "--zone", *where]) == 0
    publish_zone(server[0], capsys.readouterr().out)
    run(capsys, "verify", *where)
    shown = run(capsys, "dkim", "show", *where)
    assert [key["State"] for key in shown["Keys"]] == ["ACTIVE", "ACTIVE"]
    assert {key["Algorithm"] for key in shown["Keys"]} == {"rsa", "ed25519"}
    assert len(shown["OwnerRecords"]) == 3
    assert results(data, organization, server[1]) == ["pass", "pass"]

    rotated = run(capsys, "dkim", "rotate", "--algorithm", "rsa", *where)
    assert rotated["OwnerRecords"] == shown["OwnerRecords"]
    assert len(rotated["ServerRecords"]) == 3
    assert sorted(key["State"] for key in rotated["Keys"]) == ["ACTIVE", "ACTIVE", "WAITING"]
    assert results(data, organization, server[1]) == ["pass", "pass"]
    for record in rotated["ServerRecords"]:
        server[0].records[record["Type"], record["Hostname"]] = [record["Value"]]
    # `domain verify` looks at once; the job does by itself.
    run(capsys, "verify", *where)
    after = run(capsys, "dkim", "show", *where)
    (retiring,) = [key for key in after["Keys"] if key["State"] == "RETIRING"]
    assert retiring["PublishUntil"] > retiring["Since"]
    assert results(data, organization, server[1]) == ["pass", "pass"]


def results(data: Path, organization: str, server: str) -> list[str]:
    """What a receiver finds of a message that leaves now."""

    async def go() -> list[str]:
        settings = Settings(data_dir=str(data), hostname="mx.host.example")
        env = SystemEnvironment()
        async with attached_core(settings, env) as core:
            fields = await sign(core, organization, MESSAGE, author_domain=NAME)
        host, _, port = server.partition(":")
        resolver = DnsResolver([(host, int(port))])
        found = await verify_dkim(resolver, fields + MESSAGE, env.now())
        return [each.result for each in found]

    return asyncio.run(go())


def test_what_is_wrong_is_said_in_one_line(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb, name in (
        ("show", "no.example"),
        ("show", "demo.test"),
        ("rotate", "demo.test"),
        ("rotate", NAME),
    ):
        assert main(["domain", "dkim", verb, organization, name, "--data", str(data)]) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_nobody_is_shown_a_private_key(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run(capsys, "dkim", "show", organization, NAME, "--data", str(data))
    assert all(set(key) == {"Selector", "Algorithm", "State", "Since"} for key in shown["Keys"])
    assert "PRIVATE" not in json.dumps(shown)


def test_long_values_are_strings_of_255_octets() -> None:
    line = zone_line(DnsRecord("TXT", "a.example", "x" * 256))
    assert line == f'a.example. 3600 IN TXT "{"x" * 255}" "x"'

"""What operators order at the machine is in the audit log: who, what, when, and how it ended."""

from __future__ import annotations

import json
import os
import pwd
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.test_routing import data, organization
from workpost.cli import ordering
from workpost.cli.common import with_core
from workpost.cli.main import build_parser, main
from workpost.cli.order_table import NO_ORDERS, ORDERS
from workpost.domain.access import accounts
from workpost.kernel.errors import TryLater
from workpost.kernel.settings import Settings, SettingsError
from workpost.node import build
from workpost.operations.audit.service_events import record_order
from workpost.store.core import Core
from workpost.store.schema import migrate

__all__ = ["data", "organization"]

ADA = "ada@demo.test"
SECRET_NAMES = {"password", "secret", "secrets", "internal", "external", "event", "reason"}


def commands() -> Iterator[tuple[str, ArgumentParser]]:
    """Every command by its words, with its parser."""
    for path, parser in ordering.leaves(build_parser()):
        what = next((each.choices for each in parser._actions if each.dest == "what"), None)
        for word in what or ("",):
            yield f"{path} {word}".strip(), parser


def test_every_command_either_changes_something_or_is_known_not_to() -> None:
    names = [name for name, _ in commands()]
    assert sorted(names) == sorted([*ORDERS, *NO_ORDERS])


def test_records_hold_arguments_that_are_there_and_no_secrets() -> None:
    for name, parser in commands():
        order = ORDERS.get(name)
        if order is None:
            continue
        known = {each.dest for each in parser._actions} | parser._defaults.keys()
        assert known >= {*order.told, *order.when}, name
        assert SECRET_NAMES.isdisjoint(order.told), name
        # What makes it a change is told.
        assert set(order.when) <= {*order.told, "repair"}, name


class Operator:
    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data = data
        self._capsys = capsys

    def run(self, *command: str, code: int = 0) -> str:
        assert main([*command, "--data", str(self._data)]) == code, command
        return self._capsys.readouterr().out

    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """(event, details) of all orders, from the first on."""
        lines = self.run("audit", "--json").splitlines()
        found = [json.loads(line) for line in lines]
        found.sort(key=lambda each: each["eventTime"])
        return [
            (each["eventName"], {**each["serviceEventDetails"], "error": each.get("errorCode")})
            for each in found
            if each["eventType"] == "AwsServiceEvent"
        ]


@pytest.fixture
def operator(data: Path, organization: str, capsys: pytest.CaptureFixture[str]) -> Operator:
    made = Operator(data, capsys)
    made.run("audit")
    return made


def test_an_order_is_told_before_it_is_done_and_when_it_is_over(
    operator: Operator, organization: str
) -> None:
    operator.run("mailbox", "forward", organization, ADA, "--to", "ada@elsewhere.example")
    before, after = (details for event, details in operator.records() if event == "PutForwarding")
    assert (before["outcome"], after["outcome"]) == ("ordered", "done")
    assert before["orderId"] == after["orderId"]
    assert after["operator"] == pwd.getpwuid(os.getuid()).pw_name
    assert after["command"] == "mailbox forward"
    assert (after["organizationId"], after["user"]) == (organization, ADA)
    assert after["to"] == "ada@elsewhere.example"
    assert "PutForwarding  done  mailbox forward" in operator.run("audit")


def test_what_older_versions_have_told_is_shown(operator: Operator, data: Path) -> None:
    async def work(core: Core) -> None:
        told = {"operator": "root", "name": "relay"}
        await record_order(core, accounts.INSTALLATION, "", "PutSmtpGateway", told)

    with_core(Settings(data_dir=str(data)), work)
    assert "PutSmtpGateway  ok" in operator.run("audit")


def test_who_became_root_is_told_by_name(
    operator: Operator, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ada")
    operator.run("suppression", "add", organization, "bob@elsewhere.example")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    operator.run("suppression", "remove", organization, "bob@elsewhere.example")
    told = [
        (one["operator"], one.get("sudoUser"))
        for _, one in operator.records()
        if one["outcome"] == "done"
    ]
    assert sorted(told) == [("4000000", None), ("root", "ada")]


def test_looking_leaves_no_record(operator: Operator, organization: str) -> None:
    operator.run("mailbox", "forward", organization, ADA)
    operator.run("sieve", "list", ADA)
    operator.run("domain", "catch-all", organization, "demo.test")
    operator.run("check")
    assert operator.records() == []


def test_what_fails_is_told_as_such(operator: Operator, organization: str) -> None:
    operator.run("suppression", "add", organization, "bob@elsewhere.example")
    operator.run("mailbox", "forward", organization, "nobody", "--off", code=1)
    operator.run("sieve", "activate", "nobody@demo.test", "rules", code=1)
    ended = {
        event: (details["outcome"], details["error"])
        for event, details in operator.records()
        if details["outcome"] != "ordered"
    }
    assert ended == {
        "PutSuppression": ("done", None),
        "PutForwarding": ("failed", "EntityNotFound"),
        "ActivateSieveScript": ("failed", "ResourceNotFound"),
    }


def test_no_secret_and_no_text_of_people_is_told(
    operator: Operator, organization: str, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text('require "vacation"; vacation "In the mountains";')
    operator.run("sieve", "put", ADA, "rules", str(script), "--activate")
    operator.run("out-of-office", "set", ADA, "--internal", "By the sea")
    account = json.loads(operator.run("account", "create"))["AccountId"]
    key = json.loads(operator.run("access-key", "create", "--account", account))
    records = operator.records()
    told = json.dumps(records)
    for secret in (key["SecretAccessKey"], "mountains", "the sea"):
        assert secret not in told
    # What was made can be found again by its id.
    for made in (account, key["AccessKeyId"]):
        assert made in told
    assert {event for event, _ in records} == {
        "PutSieveScript", "PutOutOfOffice", "CreateAccount", "CreateAccessKey",
    }  # fmt: skip


def test_what_concerns_all_is_told_under_an_account_of_its_own(
    operator: Operator, tmp_path: Path
) -> None:
    operator.run("check", "--repair")
    operator.run("keys", "rotate", "--system")
    operator.run("keys", "backup", str(tmp_path / "keys"))
    operator.run("backup", str(tmp_path / "backup"))
    shown = operator.run("audit", "--account", accounts.INSTALLATION, "--json")
    events = [json.loads(line)["eventName"] for line in shown.splitlines()]
    assert sorted(set(events)) == ["BackUpData", "BackUpKeys", "RepairData", "RotateKey"]
    assert len(events) == 8


async def _not_now(*_: object, **__: object) -> None:
    raise TryLater("The database takes nothing.")


def test_what_cannot_be_told_is_not_done(
    operator: Operator, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(ordering, "record_order", _not_now)
        operator.run("suppression", "add", organization, "bob@elsewhere.example", code=1)
    assert json.loads(operator.run("suppression", "list", organization)) == []


def test_a_backup_leaves_data_of_another_version_as_it_is(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [*migrate.migrations(), msgspec.structs.replace(migrate.migrations()[-1], number=9999)]
    with monkeypatch.context() as later:
        later.setattr(migrate, "migrations", lambda: new)
        operator.run("backup", str(tmp_path / "backup"))
    assert operator.records() == []


@pytest.mark.parametrize(
    "trouble", [TryLater("Not now."), SettingsError("no keys"), OSError(28, "No space left")]
)
def test_data_is_saved_though_nothing_can_be_told(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def broken(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(build, "attached_core", broken)
    for command in (("keys", "backup"), ("backup",)):
        operator.run(*command, str(tmp_path / command[0]))
        assert (tmp_path / command[0]).stat().st_size

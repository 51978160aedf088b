"""`workpost mailbox recoverable` as an operator types it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_routing import data, organization
from tests.support.mailboxes import message
from workpost.cli.mailbox import find_mailbox
from workpost.cli.main import main
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import flags as bits
from workpost.domain.messages import removing
from workpost.domain.messages import shell as messages
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core

__all__ = ["data", "organization"]

ADA = "ada@demo.test"


@pytest.fixture
def thrown_away(data: Path, organization: str) -> None:
    """Two messages that ada deleted from Deleted Items."""

    async def make() -> None:
        async with attached_core(Settings(data_dir=str(data)), SystemEnvironment()) as core:
            row = await find_mailbox(core, ADA)
            grant = Grant.system("test", organization, row.id)
            trash = (await mailboxes.find_folder(core, grant, "Deleted Items")).id
            for subject in ("One", "Two"):
                raw = message(subject)
                await messages.append(core, grant, trash, raw, flags=bits.DELETED)
            await removing.expunge(core, grant, trash)

    asyncio.run(make())


def test_operators_list_restore_and_purge(
    data: Path, organization: str, thrown_away: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(verb: str, *arguments: str, code: int = 0) -> Any:
        command = ["mailbox", "recoverable", verb, *arguments, "--data", str(data)]
        assert main(command) == code
        return json.loads(capsys.readouterr().out or "null")

    two, one = run("list", ADA)
    assert (one["Subject"], two["Subject"], one["From"]) == ("One", "Two", "ada@demo.test")
    assert [item["Subject"] for item in run("list", ADA, "--limit", "1")] == ["Two"]
    assert run("restore", ADA, "--all", "--folder", "Nowhere", code=1) is None
    [restored] = run("restore", ADA, "--number", str(one["Number"]), "--folder", "Archive")
    assert (restored["Number"], restored["Folder"]) == (one["Number"], "Archive")
    assert run("purge", ADA, "--all") == {"Purged": [two["Number"]]}
    assert run("list", ADA) == []
    assert run("restore", ADA, "--all") == []


@pytest.mark.parametrize("verb", ["restore", "purge"])
def test_a_number_that_is_not_there_is_told_and_fails(
    data: Path,
    organization: str,
    thrown_away: None,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    def run(*arguments: str, code: int) -> tuple[Any, str]:
        command = ["mailbox", "recoverable", *arguments, "--data", str(data)]
        assert main(command) == code
        told = capsys.readouterr()
        return json.loads(told.out), told.err

    listed, _ = run("list", ADA, code=0)
    there = listed[0]["Number"]
    numbers = ("--number", "4711", "--number", str(there))
    done, complaint = run(verb, ADA, *numbers, code=1)
    assert (done["Purged"] if verb == "purge" else [each["Number"] for each in done]) == [there]
    assert complaint == "workpost: there is no recoverable item 4711\n"
    left, _ = run("list", ADA, code=0)
    assert there not in [each["Number"] for each in left]


def test_what_operators_do_is_in_the_audit_log(
    data: Path, organization: str, thrown_away: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*command: str, code: int = 0) -> str:
        assert main([*command, "--data", str(data)]) == code
        return capsys.readouterr().out

    shown = json.loads(run("mailbox", "recoverable", "list", ADA))
    two, one = (item["Number"] for item in shown)
    run("mailbox", "recoverable", "restore", ADA, "--number", str(one), "--folder", "Archive")
    run("mailbox", "recoverable", "purge", ADA, "--all")
    run("mailbox", "recoverable", "period", organization, "--days", "3")
    run("mailbox", "recoverable", "period", organization)
    records = [json.loads(line) for line in run("audit", "--json").splitlines()]
    told = {each["eventName"]: each["serviceEventDetails"] for each in records}
    assert set(told) == {"RestoreRecoverableItems", "PurgeRecoverableItems", "PutRecoverablePeriod"}
    # Each before it is done and when it is over.
    assert len(records) == 6
    restored, purged = told["RestoreRecoverableItems"], told["PurgeRecoverableItems"]
    assert (restored["numbers"], restored["folder"]) == ([one], "Archive")
    assert (purged["numbers"], purged["count"]) == ([two], 1)
    assert told["PutRecoverablePeriod"]["days"] == 3
    assert all(each["organizationId"] == organization for each in told.values())
    assert all(each["operator"] for each in told.values())


def test_operators_set_the_period_of_an_organization(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, code: int = 0) -> Any:
        command = ["mailbox", "recoverable", "period", organization, *arguments]
        assert main([*command, "--data", str(data)]) == code
        return json.loads(capsys.readouterr().out or "null")

    assert run() == {"Days": 30, "Default": True}
    assert run("--days", "0") == {"Days": 0, "Default": False}
    # To destroy at once is a change, too.
    assert main(["audit", "--json", "--data", str(data)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [
        each["serviceEventDetails"] for each in lines if each["eventName"] == "PutRecoverablePeriod"
    ]
    assert [each["days"] for each in told] == [0, 0]
    assert run("--days", "366", code=1) is None
    assert run("--default") == {"Days": 30, "Default": True}

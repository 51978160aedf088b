"""`workpost mailbox forward`, `group senders`, `domain catch-all` and `limits`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.directories import grant_for
from workpost.cli.main import main
from workpost.domain.access.accounts import create_account
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes.registration import register_to_workmail
from workpost.domain.organizations.shell import NewOrganization, create_organization
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def organization(data: Path) -> str:
    """The organization `demo` with the user ada and the group team."""

    async def make() -> str:
        async with attached_core(Settings(data_dir=str(data)), SystemEnvironment()) as core:
            account = await create_account(core)
            new = NewOrganization(alias="demo")
            organization = await create_organization(core, grant_for(account), account, new)
            grant = grant_for(account, organization)
            ada = await directory.create_user(core, grant, name="ada", display="Ada", password=None)
            await register_to_workmail(core, grant, ada, "ada@demo.test")
            team = await directory.create_group(core, grant, name="team")
            await register_to_workmail(core, grant, team, "team@demo.test")
            return organization

    return asyncio.run(make())


def test_operators_route_mail_and_set_limits(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert main([*arguments, "--data", str(data)]) == code
        told: dict[str, Any] = json.loads(capsys.readouterr().out or "{}")
        return told

    forward = ("mailbox", "forward", organization, "ada@demo.test")
    assert run(*forward)["ForwardTo"] is None
    told = run(*forward, "--to", "bob@elsewhere.example", "--no-copy")
    assert (told["ForwardTo"], told["KeepsCopy"]) == ("bob@elsewhere.example", False)
    assert run(*forward) == told
    assert run(*forward, "--to", "ada@demo.test", code=1) == {}
    told = run(*forward, "--off")
    assert (told["ForwardTo"], told["KeepsCopy"], told["Name"]) == (None, True, "ada")

    senders = ("group", "senders", organization, "team")
    assert run(*senders)["Senders"] == "everyone"
    assert run(*senders, "members")["Senders"] == "members"
    assert run(*senders)["Senders"] == "members"

    caught = ("domain", "catch-all", organization, "demo.test")
    assert run(*caught)["CatchAll"] is None
    assert run(*caught, "--to", "ada")["CatchAll"] == "ada@demo.test"
    assert run(*caught)["CatchAll"] == "ada@demo.test"
    assert run(*caught, "--off")["CatchAll"] is None
    assert run("domain", "catch-all", organization, "other.test", code=1) == {}

    told = run("limits", "set", organization, "recipients", "20", "--user", "ada")
    assert (told["Set"], told["Limits"]["recipients"]) == ({"recipients": 20}, 20)
    told = run("limits", "show", organization)
    assert (told["Set"], told["Limits"]["recipients"]) == ({}, 500)
    assert told["SentToday"]["account_recipients_per_day"] == 0
    told = run("limits", "reset", organization, "recipients", "--user", "ada")
    assert (told["Set"], told["Limits"]["recipients"]) == ({}, 500)
    assert run("limits", "set", organization, "recipients", "-1", code=1) == {}

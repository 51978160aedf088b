"""`workpost token`: make, list and delete personal access tokens beside a server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.directories import new_directory
from tests.support.identity import UUID, configure, put_provider
from workpost.cli.main import main
from workpost.domain.access import shell as access
from workpost.domain.access.token_text import token_digest
from workpost.domain.directory.entities import Props
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core

ADA = "ada@demo.test"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def organization(data: Path) -> str:
    async def make() -> str:
        async with attached_core(Settings(data_dir=str(data)), SystemEnvironment()) as core:
            demo = await new_directory(core)
            configure(core, demo.account)
            await put_provider(demo)
            await demo.user("ada", props=Props(identity_provider_user_id=UUID))
            await demo.user("grace")
            return demo.organization

    return asyncio.run(make())


def log_in(data: Path, password: str) -> Grant:
    async def work() -> Grant:
        async with attached_core(Settings(data_dir=str(data)), SystemEnvironment()) as core:
            return await access.log_in(
                core,
                username=ADA,
                password=password.encode(),
                protocol="IMAP",
                address="127.0.0.1",
            )

    return asyncio.run(work())


def test_a_token_is_shown_once_listed_and_deleted(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> Any:
        assert main(["token", *arguments, "--data", str(data)]) == 0
        return capsys.readouterr().out

    scope = ("--scope", "smtp", "--scope", "imap")
    made = json.loads(run("create", organization, ADA, "--name", "phone", *scope))
    token, id = made["PersonalAccessToken"], made["PersonalAccessTokenId"]
    assert token_digest(token.encode()) is not None
    log_in(data, token)
    second = json.loads(run("create", organization, "ada", "--name", "laptop"))
    listing = run("list", organization)
    assert token not in listing
    first, other = json.loads(listing)
    assert (first["PersonalAccessTokenId"], first["Name"]) == (id, "phone")
    assert first["Scopes"] == ["imap", "smtp"]
    assert first["DateLastUsed"] >= first["DateCreated"]
    assert first["ExpiresTime"] == made["ExpiresTime"]
    assert (other["DateLastUsed"], len(other["Scopes"])) == (None, 4)
    assert run("delete", organization, id) == f"The token {id} is deleted.\n"
    (left,) = json.loads(run("list", organization, ADA))
    assert left["PersonalAccessTokenId"] == second["PersonalAccessTokenId"]
    assert json.loads(run("list", organization, "grace")) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "{org}", "grace", "--name", "x"), 1, "has not signed in"),
        (("create", "{org}", "nobody", "--name", "x"), 1, "nobody"),
        (("create", "{org}", "ada", "--name", "<"), 1, "name"),
        (("list", "m-" + "0" * 32), 1, "m-000"),
        (("delete", "{org}", "unknown"), 1, "unknown"),
    ],
)
def test_one_line_says_what_is_wrong(
    data: Path,
    organization: str,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    given = [each.format(org=organization) for each in arguments]
    assert main(["token", *given, "--data", str(data)]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert told.err.count("\n") == 1


def test_a_data_directory_that_is_not_there(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert main(["token", "list", "m-" + "0" * 32, "--data", gone]) == 78
    assert not (tmp_path / "gone").exists()

"""`workpost sieve` and `workpost out-of-office`, beside a server or without one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.directories import new_directory
from workpost.cli.main import main
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core

ADA = "ada@demo.test"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "data"

    async def make() -> None:
        async with attached_core(Settings(data_dir=str(path)), SystemEnvironment()) as core:
            await (await new_directory(core)).user("ada")

    asyncio.run(make())
    return path


def run(data: Path, *words: str) -> int:
    return main([*words, "--data", str(data)])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_scripts_are_put_activated_shown_and_deleted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.sieve"
    file.write_text("# Grüße\nkeep;\n")
    assert run(data, "sieve", "put", ADA, "a", str(file), "--activate") == 0
    capsys.readouterr()
    assert run(data, "sieve", "list", ADA) == 0
    [shown] = told(capsys)
    assert (shown["Name"], shown["Active"], shown["Size"]) == ("a", True, 16)
    assert run(data, "sieve", "get", ADA, "a") == 0
    assert capsys.readouterr().out == "# Grüße\nkeep;\n"
    assert run(data, "sieve", "delete", ADA, "a") == 1
    assert "active" in capsys.readouterr().err
    assert run(data, "sieve", "deactivate", ADA) == 0
    assert run(data, "sieve", "activate", ADA, "a") == 0
    assert run(data, "sieve", "deactivate", ADA) == 0
    assert run(data, "sieve", "delete", ADA, "a") == 0
    assert run(data, "sieve", "get", ADA, "a") == 1
    assert run(data, "sieve", "list", "nobody@demo.test") == 1


def test_scripts_are_checked_without_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.sieve"
    file.write_text("keep;\nfly;\n")
    assert main(["sieve", "check", str(file)]) == 1
    assert "line 2" in capsys.readouterr().err
    file.write_text("keep;\n")
    assert main(["sieve", "check", str(file)]) == 0
    assert main(["sieve", "check", str(tmp_path / "none")]) == 1


def test_out_of_office_is_set_shown_and_ended(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = ["--from", "2026-12-24T12:00:00+01:00", "--until", "2026-12-27"]
    texts = ["--internal", "In Oslo.", "--external", "Away."]
    assert run(data, "out-of-office", "set", ADA, *texts, *times) == 0
    shown = {
        "State": "SCHEDULED",
        "StartTime": "2026-12-24T11:00:00Z",
        "EndTime": "2026-12-27T00:00:00Z",
        "Audience": "EVERYONE",
        "InternalReply": "In Oslo.",
        "ExternalReply": "Away.",
    }
    assert told(capsys) == shown
    assert run(data, "out-of-office", "set", ADA, "--internal", "Away.") == 0
    assert told(capsys)["State"] == "ENABLED"
    assert run(data, "out-of-office", "off", ADA) == 0
    assert told(capsys)["State"] == "DISABLED"
    assert run(data, "out-of-office", "show", ADA) == 0
    assert told(capsys)["InternalReply"] == "Away."
    assert run(data, "out-of-office", "set", ADA, "--internal", "x", "--from", "now") == 1
    assert run(data, "out-of-office", "set", ADA, *texts, "--from", "x", "--until", "y") == 1

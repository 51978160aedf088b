"""`workpost lambda`, as an operator types it."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from tests.support.directories import CHEAP, new_directory
from workpost.cli.main import main
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core
from workpost.store.tables import organizations

Out = pytest.CaptureFixture[str]
CODE = """
def greet(event, context):
    print("asked by", event["name"])
    return {"hello": event["name"]}

def fail(event, context):
    raise ValueError(event["name"])
"""


class Installation:
    """Data with an organization, and settings that map two functions for it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.organization, self.account = asyncio.run(self._found())
        code = folder / "code"
        code.mkdir()
        (code / "app.py").write_text(CODE)
        tables = [
            f"""
[[lambda.functions]]
arn = "{self.arn(name)}"
accounts = ["{self.account}"]
kind = "callable"
path = "code"
handler = "app.{name}"
"""
            for name in ("greet", "fail")
        ]
        groups = f'log_groups = ["{self.account} /aws/lambda/* folder"]'
        self.settings = folder / "workpost.toml"
        self.settings.write_text(f"[outside]\n{groups}\n{''.join(tables)}")
        self.options = ("--data", str(self.data), "--config", str(self.settings))

    async def _found(self) -> tuple[str, str]:
        settings = Settings(data_dir=str(self.data), passwords=CHEAP)
        async with attached_core(settings, SystemEnvironment()) as core:
            house = await new_directory(core)
            known = await core.store.read(organizations.get_state, organization=house.organization)
            assert known is not None
            return house.organization, known[0]

    def arn(self, name: str) -> str:
        return f"arn:aws:lambda:us-east-1:111122223333:function:{name}"


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_invoke_and_logs(
    installed: Installation, capsys: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"name": "ada"}')
    asked = ["lambda", "invoke", installed.organization, installed.arn("greet")]
    assert main([*asked, "--event", str(event), *installed.options]) == 0
    assert json.loads(capsys.readouterr().out) == {"hello": "ada"}
    monkeypatch.setattr("sys.stdin", io.StringIO('{"name": "bob"}'))
    assert main([*asked, *installed.options]) == 0
    capsys.readouterr()
    wanted = ["lambda", "logs", "greet", "--account", installed.account, *installed.options]
    assert main(wanted) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("asked by")] == [
        "asked by ada",
        "asked by bob",
    ]
    assert main([*wanted, "--lines", "1"]) == 0
    [report] = capsys.readouterr().out.splitlines()
    assert report.startswith("REPORT RequestId: ")


def test_what_goes_wrong_is_one_line(installed: Installation, capsys: Out, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"name": "ada"}')
    asked = ["lambda", "invoke", installed.organization]
    options = ["--event", str(event), *installed.options]
    for arn, told, hint in (
        ("fail", "failed: ValueError", "workpost lambda logs"),
        ("nothing", "missing", "[[lambda.functions]]"),
    ):
        assert main([*asked, installed.arn(arn), *options]) == 1
        said = capsys.readouterr().err
        assert f"the function gave no answer: {told} (" in said
        assert hint in said
    event.write_text("{")
    assert main([*asked, installed.arn("greet"), *options]) == 2
    assert "the event is no JSON" in capsys.readouterr().err
    event.unlink()
    assert main([*asked, installed.arn("greet"), *options]) == 2
    elsewhere = ["lambda", "logs", "greet", "--account", "999999999999", *installed.options]
    assert main(elsewhere) == 1
    assert "is not mapped" in capsys.readouterr().err

"""`workpost spam`: what an organization's people taught."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.directories import new_directory
from workpost.cli.main import main
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def organization(data: Path) -> str:
    async def make() -> str:
        async with attached_core(Settings(data_dir=str(data)), SystemEnvironment()) as core:
            return (await new_directory(core)).organization

    return asyncio.run(make())


@pytest.mark.parametrize("verb", ["status", "forget"])
def test_an_organization_that_knows_nothing(
    data: Path, organization: str, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spam", verb, organization, "--data", str(data)]) == 0
    assert json.loads(capsys.readouterr().out) == {"Spam": 0, "Ham": 0, "Words": 0, "Waiting": 0}


def test_an_organization_that_is_not_there(
    data: Path, organization: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spam", "status", "m-" + "0" * 32, "--data", str(data)]) == 1
    assert "There is no organization" in capsys.readouterr().err

"""`workpost queue` and `workpost suppression`, as an operator types them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.operations.mailflow.mails import envelope
from tests.support.directories import CHEAP, new_directory
from tests.support.mailboxes import log_in, message
from workpost.cli.main import main
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core
from workpost.operations.mailflow import pipeline

Out = pytest.CaptureFixture[str]
BOB, CAROL = "bob@elsewhere.example", "carol@other.example"


class Desk:
    """An operator's shell over a data directory with a message in the queue."""

    def __init__(self, data: Path, capsys: Out) -> None:
        self.data = data
        self.capsys = capsys
        self.organization, self.trace = asyncio.run(self._fill())

    async def _fill(self) -> tuple[str, str]:
        settings = Settings(data_dir=str(self.data), passwords=CHEAP)
        async with attached_core(settings, SystemEnvironment()) as core:
            house = await new_directory(core)
            await house.user("ada")
            ada = await log_in(core, "ada@demo.test")
            trace = await pipeline.submit(core, ada, envelope(BOB, CAROL), message())
            return house.organization, trace

    def run(self, *args: str) -> int:
        return main([*args, "--data", str(self.data)])

    def says(self, *args: str) -> Any:
        assert self.run(*args) == 0
        return json.loads(self.capsys.readouterr().out)

    def states(self, *args: str) -> dict[str, str]:
        return {one["recipient"]: one["state"] for one in self.says("queue", "list", *args)}


@pytest.fixture
def desk(tmp_path: Path, capsys: Out) -> Desk:
    return Desk(tmp_path, capsys)


def test_list_show_hold_retry_and_drop(desk: Desk) -> None:
    assert desk.states() == {BOB: "waiting", CAROL: "waiting"}
    assert desk.states("--domain", "Other.example") == {CAROL: "waiting"}
    assert desk.states("--organization", "m-0") == {}
    [shown] = desk.says("queue", "show", desk.trace)
    assert (shown["sender"], shown["organization"]) == ("ada@demo.test", desk.organization)
    assert [one["recipient"] for one in shown["recipients"]] == [BOB, CAROL]
    assert shown["created"].endswith("Z")
    assert desk.says("queue", "hold", str(shown["queue"])) == {"Changed": 2, "Busy": 0}
    assert desk.states("--state", "held") == {BOB: "held", CAROL: "held"}
    assert desk.says("queue", "retry", "--domain", "elsewhere.example")["Changed"] == 1
    assert desk.states() == {BOB: "waiting", CAROL: "held"}
    assert desk.says("queue", "drop", "--organization", desk.organization)["Changed"] == 2
    assert list(desk.states()) == ["ada@demo.test"]
    assert desk.says("queue", "drop", "--all", "--silent")["Changed"] == 1
    assert desk.says("queue", "destinations") == []


def test_an_order_names_what_it_means(desk: Desk) -> None:
    assert desk.run("queue", "drop") == 2
    assert "say --all" in desk.capsys.readouterr().err
    assert desk.run("queue", "show", "0" * 16) == 1
    assert "is not in the queue" in desk.capsys.readouterr().err
    assert desk.run("queue", "retry", "<x@demo.test>") == 1
    assert "neither a trace id" in desk.capsys.readouterr().err
    assert desk.run("queue", "hold", "12345") == 1
    # Nothing that is empty or no id means everything.
    for order in (["0"], [""], ["9" * 19], ["0", "--domain", "other.example"]):
        assert desk.run("queue", "drop", *order) == 1
    assert desk.run("queue", "drop", "--domain", "other.example", "--organization", "") == 1
    assert desk.run("queue", "drop", "--domain", ".", "--organization", desk.organization) == 1
    desk.capsys.readouterr()
    assert desk.states() == {BOB: "waiting", CAROL: "waiting"}


def test_the_suppression_list(desk: Desk) -> None:
    org = desk.organization
    assert desk.run("suppression", "add", org, BOB, "--days", "2") == 0
    assert desk.run("suppression", "add", org, CAROL, "--reason", "She asked for it.") == 0
    first, second = desk.says("suppression", "list", org)
    assert (first["address"], first["source"]) == (BOB, "operator")
    assert first["until"] is not None
    assert (second["reason"], second["until"]) == ("She asked for it.", None)
    assert desk.run("suppression", "remove", org, BOB) == 0
    desk.capsys.readouterr()
    assert desk.run("suppression", "remove", org, BOB) == 1
    assert desk.run("suppression", "add", org, "nobody") == 1
    assert desk.run("suppression", "add", org, BOB, "--days", "-1") == 1
    assert desk.run("suppression", "add", org, BOB, "--days", "9" * 20) == 1

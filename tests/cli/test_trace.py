"""`workpost trace`, as an operator types it."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.operations.mailflow.mails import envelope
from tests.support.directories import CHEAP, new_directory
from tests.support.mailboxes import log_in, message
from workpost.cli.main import main
from workpost.cli.trace import _line
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.tracing import Step

Out = pytest.CaptureFixture[str]


async def submit(data: Path) -> str:
    settings = Settings(data_dir=str(data), passwords=CHEAP)
    async with attached_core(settings, SystemEnvironment()) as core:
        house = await new_directory(core)
        await house.user("ada")
        ada = await log_in(core, "ada@demo.test")
        raw = message().replace(b"Subject:", b"Message-ID: <x@demo.test>\r\nSubject:", 1)
        return await pipeline.submit(
            core, ada, envelope("ada@demo.test", "bob@elsewhere.example"), raw
        )


def test_the_life_of_a_message_is_a_line_a_step(tmp_path: Path, capsys: Out) -> None:
    trace = asyncio.run(submit(tmp_path))
    data = ("--data", str(tmp_path))
    assert main(["trace", "<x@demo.test>", *data]) == 0
    accepted, queued, lies = capsys.readouterr().out.splitlines()
    assert "OUTGOING_EMAIL_SUBMITTED" in accepted
    assert trace in accepted
    assert "ada@demo.test,bob@elsewhere.example" in accepted
    assert queued.startswith("now")
    assert "recipient=bob@elsewhere.example" in queued
    assert "recipient=ada@demo.test  folders=(role=inbox uid=1)" in lies
    assert main(["trace", trace, "--json", *data]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert [step["kind"] for step in steps] == ["OUTGOING_EMAIL_SUBMITTED", "QUEUED", "LIES_NOW"]


def test_what_strangers_wrote_does_not_steer_the_terminal() -> None:
    step = Step(0, "m-1", "RECEIVED", "0" * 16, {"messageId": "a\x1b[2Jb", "to": ["\x07", "é"]})
    assert _line(step).endswith("messageId=a?[2Jb  to=?,é")


def test_what_is_unknown_or_cannot_be_read_is_one_line(tmp_path: Path, capsys: Out) -> None:
    asyncio.run(submit(tmp_path))
    data = ("--data", str(tmp_path))
    assert main(["trace", "<nobody@nowhere.test>", *data]) == 1
    assert "nothing is known of <nobody@nowhere.test>" in capsys.readouterr().err
    assert main(["trace", "x", "--since", "yesterday", *data]) == 2
    assert main(["trace", "x", "--data", str(tmp_path / "none")]) == 78

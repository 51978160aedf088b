"""`workpost audit`."""

import json
from pathlib import Path

import pytest

from workpost.cli.audit import read_since
from workpost.cli.common import with_core
from workpost.cli.main import main
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.audit.log import AuditLog, insert_audit
from workpost.operations.audit.service_events import seal_service_event
from workpost.store.core import Core

ACCOUNT = "111122223333"


def record(name: str, time: str, error: str = "") -> bytes:
    content = {
        "eventTime": time,
        "eventName": name,
        "userIdentity": {"arn": f"arn:aws:iam::{ACCOUNT}:root"},
        "sourceIPAddress": "127.0.0.1",
    }
    return json.dumps({**content, "errorCode": error} if error else content).encode()


@pytest.fixture
def data(tmp_path: Path) -> str:
    async def fill(core: Core) -> None:
        log = AuditLog(core)
        log.add(ACCOUNT, 1, record("ListUsers", "2026-01-01T00:00:00Z"))
        log.add(ACCOUNT, 2, record("CreateUser", "2026-01-02T00:00:00Z", "AccessDeniedException"))
        log.add("444455556666", 3, record("ListGroups", "2026-01-03T00:00:00Z"))
        await log.close()

    with_core(Settings(data_dir=str(tmp_path / "data")), fill)
    return str(tmp_path / "data")


def test_a_line_steers_no_terminal(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    forged = record("ListUsers", "2026-01-04T00:00:00Z", "Odd\x1b[2J\x9b\u2028\nforged")

    async def fill(core: Core) -> None:
        log = AuditLog(core)
        log.add(ACCOUNT, 4, forged)
        await log.close()

    with_core(Settings(data_dir=data), fill)
    assert main(["audit", "--data", data]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 4
    assert "Odd?[2J???forged" in out


def test_a_line_a_call(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--data", data]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == f"2026-01-01T00:00:00Z  arn:aws:iam::{ACCOUNT}:root  127.0.0.1  ListUsers  ok"
    )
    assert [line.rsplit("  ", 1)[1] for line in lines] == ["ok", "AccessDeniedException", "ok"]


def test_what_workpost_does_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def fill(core: Core) -> None:
        actor, details = Grant.system("retention", "m-1"), {"outcome": "done"}
        event = await seal_service_event(core, ACCOUNT, actor, "ApplyRetentionPolicy", details)
        await core.store.write(insert_audit, chunks=[event])

    with_core(Settings(data_dir=str(tmp_path)), fill)
    assert main(["audit", "--data", str(tmp_path)]) == 0
    line = capsys.readouterr().out.rstrip()
    assert line.endswith("system:retention  system:retention  ApplyRetentionPolicy  ok")


def test_whole_records_of_one_account_and_action(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--data", data, "--json", "--account", ACCOUNT]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["eventName"] for one in records] == ["ListUsers", "CreateUser"]
    assert main(["audit", "--data", data, "--event-name", "createuser"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert main(["audit", "--data", data, "--since", "1h"]) == 0
    assert capsys.readouterr().out == ""


def test_times(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    now = 1_767_225_600_000
    assert read_since("", now) == 0
    assert read_since("15m", now) == now - 900_000
    assert read_since("2026-01-01T00:00:00Z", now) == now
    assert read_since("2026-01-01T01:00+01:00", now) == now
    assert main(["audit", "--data", data, "--since", "yesterday"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

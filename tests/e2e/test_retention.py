"""A retention policy over the real server, killed in the middle of its run."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.server import Server, command_line

MONTH_MS = 31 * 24 * 3600 * 1000
DOUBLINGS = 5
"""Doublings of the 50 messages that a mailbox begins with."""
AGE = f"""UPDATE item SET received = received - {MONTH_MS}, saved = saved - {MONTH_MS},
changed = changed - {MONTH_MS}"""
LET_GO = "UPDATE job SET lease_until = 0 WHERE state = 'leased'"
"""What 20 seconds do to a job whose holder is dead."""


def change(data: Path, statement: str) -> None:
    """Change rows of a server that is not running."""
    with sqlite3.connect(data / "store" / "workpost.db") as database:
        database.execute(statement)
    database.close()


def ask(data: Path, question: str) -> list[tuple[Any, ...]]:
    """Rows of the database, while the server works."""
    uri = f"file:{data / 'store' / 'workpost.db'}?mode=ro"
    database = sqlite3.connect(uri, uri=True, timeout=30)
    rows = database.execute(question).fetchall()
    database.close()
    return rows


def counts(data: Path) -> tuple[int, int]:
    """Messages in INBOX and Deleted Items of all mailboxes."""
    found = dict(
        ask(
            data,
            "SELECT role, SUM(total) FROM folder WHERE role IN ('inbox', 'trash') GROUP BY role",
        )
    )
    return found["inbox"], found["trash"]


def is_running(data: Path) -> bool:
    """True until the run has written its record."""
    return bool(ask(data, "SELECT 1 FROM job WHERE kind = 'retention.run'"))


@pytest.mark.crash
def test_a_run_that_is_killed_goes_on_and_takes_each_message_once(make_server: MakeServer) -> None:
    server: Server = make_server(env={"WORKPOST_PROCESSES__FRONT_ENDS": "1"}).start()
    with server.imap("ada") as client:
        for number in range(50):
            client.append("INBOX", "", "", f"Subject: {number}\r\n\r\nHello\r\n".encode())
        client.select("INBOX")
        for _ in range(DOUBLINGS):
            client.copy("1:*", "INBOX")
            client.noop()
    server.aws().put_retention_policy(
        OrganizationId=server.account["organization_id"],
        Name="default",
        FolderConfigurations=[{"Name": "INBOX", "Action": "DELETE", "Period": 30}],
    )
    server.stop()
    inbox, trash = counts(server.data)
    assert inbox >= 50 * 2**DOUBLINGS
    change(server.data, AGE)
    server.start(wait=False)
    deadline = time.monotonic() + 60
    while counts(server.data)[1] == trash and time.monotonic() < deadline:
        time.sleep(0.002)
    server.kill()
    left, moved = counts(server.data)
    assert left + moved == inbox + trash
    change(server.data, LET_GO)
    server.start()
    deadline = time.monotonic() + 60
    while is_running(server.data) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert counts(server.data) == (0, inbox + trash)
    server.stop()
    checked = command_line("check", "--data", str(server.data))
    assert checked.returncode == 0, checked.stdout
    action = ("--event-name", "ApplyRetentionPolicy")
    audited = command_line("audit", "--data", str(server.data), *action, "--json").stdout
    [record] = [json.loads(line)["serviceEventDetails"] for line in audited.splitlines()]
    assert record["outcome"] == "done"
    assert (record["messagesMoved"], record["messagesDeleted"]) == (inbox, 0)

"""PutEmailMonitoringConfiguration and audit logs in the real server, kill -9 in the middle."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.e2e.conftest import MakeServer
from tests.support.server import compose

FIRST = 5


def lines_of(folder: Path, wanted: int) -> list[dict[str, Any]]:
    """The lines below a folder, once there are so many; those of the first 30 seconds at last."""
    deadline = time.monotonic() + 30
    while True:
        found = [
            json.loads(line)
            for path in sorted(folder.rglob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        if len(found) >= wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_mail_and_logins_reach_log_groups_across_a_kill(make_server: MakeServer) -> None:
    server = make_server(env={"WORKPOST_MONITORING__EVERY_SECONDS": "3600"}).start()
    account, organization = (server.account[key] for key in ("account_id", "organization_id"))
    server.stop()
    server.env["WORKPOST_OUTSIDE__LOG_GROUPS"] = f"{account} /mail/* folder"
    server.env["WORKPOST_MONITORING__AUDIT_LOGS"] = f"{account} AUTHENTICATION_LOGS /mail/audit"
    server.start()
    server.aws().put_email_monitoring_configuration(
        OrganizationId=organization,
        LogGroupArn=f"arn:aws:logs:us-east-1:{account}:log-group:/mail/events:*",
    )
    sender, recipient = "ada@demo.test", "grace@demo.test"
    for number in range(FIRST):
        server.send("ada", [recipient], compose(sender, recipient, f"Number {number}"))
    time.sleep(0.5)
    server.kill()
    server.env["WORKPOST_MONITORING__EVERY_SECONDS"] = "1"
    server.start()
    folder = server.data / "outside" / "logs" / account / "mail"
    events = lines_of(folder / "events", 4 * FIRST)
    submitted = [
        line["event"]["subject"]
        for line in events
        if line["event"]["eventName"] == "OUTGOING_EMAIL_SUBMITTED"
    ]
    assert submitted == [f"Number {number}" for number in range(FIRST)]
    logins = lines_of(folder / "audit", FIRST)
    assert {line["user"] for line in logins} == {sender}
    assert {line["auth_successful"] for line in logins} == {True}

"""What operators order beside a running server: its writer writes the records, too."""

from __future__ import annotations

import json
from typing import Any

from tests.support.server import Server, command_line

BOB = "bob@elsewhere.example"


def test_orders_are_in_the_audit_log_of_the_running_server(server: Server) -> None:
    def run(*command: str, code: int = 0) -> str:
        done = command_line(*command, "--data", str(server.data), env=server.env)
        assert done.returncode == code, done.stderr
        return done.stdout

    organization = server.account["organization_id"]
    run("suppression", "add", organization, BOB)
    run("mailbox", "forward", organization, "nobody", "--off", code=1)
    run("queue", "retry", "--all")
    records: list[dict[str, Any]] = [
        json.loads(line) for line in run("audit", "--json").splitlines()
    ]
    told = {
        (one["eventName"], one["serviceEventDetails"]["outcome"]): one["recipientAccountId"]
        for one in records
        if one["eventType"] == "AwsServiceEvent"
    }
    account, all_of_it = server.account["account_id"], "000000000000"
    assert told == {
        ("PutSuppression", "ordered"): account,
        ("PutSuppression", "done"): account,
        ("PutForwarding", "ordered"): account,
        ("PutForwarding", "failed"): account,
        ("RetryQueue", "ordered"): all_of_it,
        ("RetryQueue", "done"): all_of_it,
    }

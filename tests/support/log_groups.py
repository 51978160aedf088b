"""An account's log groups, mapped to folders or to CloudWatch Logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.api_server import ApiServer, Tenant
from workpost.kernel.outside_settings import Outside


def role_arn(account: str) -> str:
    return f"arn:aws:iam::{account}:role/events"


class LogGroups:
    """The log groups `/mail/...` of the organization `demo`, and what lies in them."""

    def __init__(self, api: ApiServer, demo: Tenant, data: Path) -> None:
        self.api = api
        self.demo = demo
        self.data = data

    def arn(self, name: str = "/mail/events", **changes: str) -> str:
        account = changes.get("account", self.demo.account)
        region = changes.get("region", "us-east-1")
        return f"arn:aws:logs:{region}:{account}:log-group:{name}:*"

    def map(self, kind: str = "folder") -> None:
        account = self.demo.account
        outside = Outside(
            log_groups=(f"{account} /mail/* {kind}", f"{account} /aws/workmail/* {kind}"),
            roles=(f"{account} {role_arn(account)}",),
        )
        self.api.set(outside=outside, data_dir=str(self.data))

    def put(self, name: str = "/mail/events", **more: Any) -> None:
        values = {"LogGroupArn": self.arn(name), **more}
        self.demo("PutEmailMonitoringConfiguration", **values)

    def events(self, name: str = "/mail/events") -> list[dict[str, Any]]:
        """What the lines in a folder tell, in order."""
        root = self.data / "outside" / "logs" / self.demo.account / name.removeprefix("/")
        found = []
        for path in sorted(root.rglob("*.jsonl")):
            found += [json.loads(line)["event"] for line in path.read_text().splitlines()]
        return found

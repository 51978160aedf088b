"""An organization whose account has log groups: folders, and those of moto's server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.operations.jobs.conftest import MovedClock
from tests.support.directories import Directory
from workpost.domain.organizations import monitoring
from workpost.kernel.monitoring_settings import Monitoring
from workpost.kernel.outside_settings import Outside
from workpost.operations.monitoring.shipping import build_shippers

__all__ = ["env"]


@pytest.fixture
def env() -> MovedClock:
    return MovedClock()


@dataclass(frozen=True)
class Monitored:
    """Sends an organization's events to log groups and looks at what came of them."""

    house: Directory
    data: Path

    def arn(self, group: str) -> str:
        return f"arn:aws:logs:us-east-1:{self.house.account}:log-group:{group}:*"

    def map(self, *groups: str, audit: tuple[str, ...] = ()) -> None:
        """Map log groups, `NAME KIND`, and audit logs, `TYPE NAME`, of the account."""
        account = self.house.account
        outside = Outside(
            log_groups=tuple(f"{account} {group}" for group in groups),
            roles=(f"{account} arn:aws:iam::{account}:role/events",),
        )
        settings = msgspec.structs.replace(
            self.house.core.settings,
            outside=outside,
            monitoring=Monitoring(audit_logs=tuple(f"{account} {each}" for each in audit)),
            data_dir=str(self.data),
        )
        msgspec.structs.force_setattr(self.house.core, "settings", settings)

    async def put(self, group: str = "/mail/events", role: str = "") -> None:
        await monitoring.put_monitoring_configuration(
            self.house.core, self.house.grant, log_group=self.arn(group), role=role
        )

    async def ship(self) -> int:
        [runner] = build_shippers(self.house.core, 1)
        return await runner.run_due()

    async def again(self) -> int:
        """Ship after the time that a job waits for when a group is out of reach."""
        await self.house.change("UPDATE job SET due = 0 WHERE kind = 'monitoring.ship'")
        return await self.ship()

    def lines(self, group: str = "/mail/events", log: str = "events") -> list[dict[str, Any]]:
        root = self.data / "outside" / "logs" / self.house.account / group.removeprefix("/")
        found = []
        for path in sorted((root / self.house.organization / log).glob("*.jsonl")):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return found

    def names(self, group: str = "/mail/events") -> list[str]:
        return [line["event"]["eventName"] for line in self.lines(group)]

    async def unsent(self) -> int:
        [[count]] = await self.house.run("SELECT count(*) FROM event WHERE unsent = 1")
        return int(count)


@pytest.fixture
def monitored(house: Directory, tmp_path: Path) -> Iterator[Monitored]:
    before = house.core.settings
    made = Monitored(house, tmp_path / "data")
    made.map("/mail/* folder", "/aws/workmail/emailevents/* folder")
    yield made
    msgspec.structs.force_setattr(house.core, "settings", before)

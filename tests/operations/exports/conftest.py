"""An organization whose account has the bucket `exports`: a folder."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.operations.jobs.conftest import MovedClock
from tests.support.directories import Directory
from workpost.domain.mailboxes import exports
from workpost.domain.mailboxes.exports import NewExport
from workpost.domain.messages import exporting
from workpost.kernel.outside_settings import Outside
from workpost.kernel.settings import Settings
from workpost.operations.exports import uploading, working
from workpost.operations.jobs.build import build_long_jobs
from workpost.store.tables.exports import ExportRow


@pytest.fixture
def env() -> MovedClock:
    return MovedClock()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(working, "BEAT_SECONDS", 0.02)


class Gate:
    """Holds an export at its first page of messages until the test goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int = 1) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self._left = at
        self._real = exporting.read_page
        monkeypatch.setattr(exporting, "read_page", self._read)

    async def _read(self, *args: Any) -> Any:
        page = await self._real(*args)
        if page:
            self._left -= 1
            if not self._left:
                self.reached.set()
                await self.go.wait()
        return page


@dataclass(frozen=True)
class Exporter:
    """Starts exports of an organization's mailboxes and looks at what came of them."""

    house: Directory
    folder: Path

    @property
    def new(self) -> NewExport:
        account = self.house.account
        return NewExport(
            entity="ada",
            description=None,
            role=f"arn:aws:iam::{account}:role/exporter",
            kms_key=f"arn:aws:kms:us-east-1:{account}:key/1",
            bucket="exports",
            prefix="mail",
        )

    async def start(self, **changes: Any) -> str:
        new = msgspec.structs.replace(self.new, **changes)
        return await exports.start_mailbox_export(self.house.core, self.house.grant, new)

    async def work(self) -> int:
        return await build_long_jobs(self.house.core).run_due()

    async def cancel(self, id: str) -> None:
        await exports.cancel_mailbox_export(self.house.core, self.house.grant, id)

    async def row(self, id: str) -> ExportRow:
        return await exports.describe_mailbox_export(self.house.core, self.house.grant, id)

    async def due_now(self) -> None:
        """Let the time pass that a job waits for, or that a dead holder's lease lasts."""
        await self.house.change("UPDATE job SET due = 0, lease_until = 0")

    @property
    def files(self) -> list[str]:
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def archive(self, id: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO((self.folder / "mail" / f"{id}.zip").read_bytes()))

    def messages(self, id: str) -> dict[str, bytes]:
        with self.archive(id) as archive:
            assert archive.testzip() is None
            return {
                name: archive.read(name) for name in archive.namelist() if not name.endswith("/")
            }

    def log(self, id: str) -> dict[str, str]:
        read: dict[str, str] = json.loads((self.folder / "mail" / f"{id}.json").read_bytes())
        return read


@pytest.fixture
def exporter(house: Directory, tmp_path: Path) -> Iterator[Exporter]:
    core = house.core
    before = core.settings
    account = house.account
    outside = Outside(
        buckets=(f"{account} exports folder",),
        keys=(f"{account} arn:aws:kms:us-east-1:{account}:key/1",),
        roles=(f"{account} arn:aws:iam::{account}:role/exporter",),
    )
    mapped: Settings = msgspec.structs.replace(
        before, outside=outside, data_dir=str(tmp_path / "data")
    )
    msgspec.structs.force_setattr(core, "settings", mapped)
    yield Exporter(house, mapped.outside_dir / "s3" / account / "exports")
    msgspec.structs.force_setattr(core, "settings", before)

"""An organization with mail in it, a clock that can be moved, and a look for plaintext on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.directories import CHEAP, Directory, new_directory
from tests.support.stores import Run, make_core
from workpost.domain.messages import shell as messages
from workpost.domain.messages.removing import withdraw
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.store.core import Core
from workpost.store.database.store import Store


class MovedClock(SystemEnvironment):
    """The real world, some time later."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0

    def advance(self, milliseconds: int) -> None:
        self.offset += milliseconds

    def now(self) -> int:
        return super().now() + self.offset

    def monotonic(self) -> float:
        return super().now() / 1000 + self.offset / 1000


@pytest.fixture
def env() -> MovedClock:
    return MovedClock()


@pytest.fixture
def settings(store_settings: Settings) -> Settings:
    return msgspec.structs.replace(store_settings, passwords=CHEAP)


@pytest.fixture
def core(run: Run[Any], store: Store, settings: Settings, env: MovedClock) -> Iterator[Core]:
    made = make_core(store, settings, env)
    yield made
    run(made.keys.close())


class Mail:
    """The mailboxes of an organization, and what is done in them."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.core = directory.core
        self.organization = directory.organization
        self.boxes: dict[str, int] = {}

    async def person(self, name: str) -> int:
        user = await self.directory.user(name)
        rows = await self.directory.run("SELECT id FROM mailbox WHERE owner = ?", user)
        self.boxes[name] = rows[0][0]
        return self.boxes[name]

    def grant(self, name: str) -> Grant:
        return Grant.system("test", self.organization, self.boxes[name])

    async def folder(self, name: str, role: str = "inbox") -> int:
        rows = await self.directory.run(
            "SELECT id FROM folder WHERE mailbox = ? AND role = ?", self.boxes[name], role
        )
        return rows[0][0]

    async def append(self, name: str, raw: bytes, **more: Any) -> int:
        folder = await self.folder(name)
        return (await messages.append(self.core, self.grant(name), folder, raw, **more)).uid

    async def read_all(self, name: str, role: str = "inbox") -> list[bytes]:
        folder, grant = await self.folder(name, role), self.grant(name)
        page = await messages.metadata_page(self.core, grant, folder, low=1, high=1 << 31)
        return [await messages.read_content(self.core, grant, meta) for meta in page]

    async def remove(self, name: str, uids: list[int]) -> None:
        folder = await self.folder(name)
        await withdraw(self.core, self.grant(name), folder, uids)


@pytest.fixture
def mail(run: Run[Any], core: Core) -> Mail:
    """Ada and Grace of demo.test, their mailboxes empty."""
    mail = Mail(run(new_directory(core)))
    run(mail.person("ada"))
    run(mail.person("grace"))
    return mail


def message(number: int, size: int = 0) -> bytes:
    """A message; with `size` it has that many more bytes."""
    return (
        b"From: Ada <ada@demo.test>\r\nTo: grace@demo.test\r\n"
        b"Subject: marker-subject-%d\r\nMessage-ID: <%d@demo.test>\r\n\r\n"
        b"marker-body-%d\r\n" % (number, number, number)
    ) + (b"x" * 70 + b"\r\n") * (size // 72)


def files_with(folder: Path, marker: bytes) -> list[Path]:
    """The files under a folder that hold the marker in clear."""
    return [file for file in folder.rglob("*") if file.is_file() and marker in file.read_bytes()]

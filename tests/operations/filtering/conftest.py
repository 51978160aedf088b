"""People who teach."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.operations.jobs.conftest import env
from tests.support.directories import Directory
from tests.support.mailboxes import log_in
from tests.support.stores import Run
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.kernel.filter_settings import Filter
from workpost.kernel.principal import Grant
from workpost.operations.filtering.status import Knowledge, knowledge
from workpost.store.core import Core

__all__ = ["env"]


class Pupil:
    """A person who moves mail about."""

    def __init__(self, house: Directory, grant: Grant, folders: dict[str, int]) -> None:
        self.house = house
        self.core = house.core
        self.grant = grant
        self.folders = folders

    async def put(self, role: str, raw: bytes) -> int:
        return (await messages.append(self.core, self.grant, self.folders[role], raw)).uid

    async def move(self, source: str, uid: int, target: str) -> int:
        where = (self.folders[source], [uid], self.folders[target])
        async for moved in messages.move(self.core, self.grant, *where):
            return moved.pairs[0][1]
        raise AssertionError("nothing was moved")

    async def copy(self, source: str, uid: int, target: str) -> int:
        where = (self.folders[source], [uid], self.folders[target])
        copied = await messages.copy(self.core, self.grant, *where)
        return copied.pairs[0][1]

    async def known(self) -> tuple[int, int]:
        """(spam, ham) that the organization knows when all is learned."""
        await self.house.work()
        found: Knowledge = await knowledge(self.core, self.house.organization)
        assert found.waiting == 0
        return found.spam, found.ham


def configure(core: Core, **values: Any) -> None:
    """Change settings of the filters."""
    chosen = msgspec.structs.replace(core.settings.filter, **values)
    core.settings = msgspec.structs.replace(core.settings, filter=chosen)


@pytest.fixture
def pupil(run: Run[Any], house: Directory) -> Pupil:
    """Grace, with a folder of her own beside the usual ones."""

    async def make() -> Pupil:
        grant = await log_in(house.core, "grace@demo.test")
        await mailboxes.create_folder(house.core, grant, "Projects")
        found = await mailboxes.list_folders(house.core, grant)
        folders = {one.role or one.path.lower(): one.id for one in found}
        return Pupil(house, grant, folders)

    house.core.settings = msgspec.structs.replace(house.core.settings, filter=Filter())
    made: Pupil = run(make())
    return made

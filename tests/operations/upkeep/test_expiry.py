"""Tombstones live 90 days and then move floor_modseq (invariant 1)."""

from __future__ import annotations

from tests.support.directories import Directory
from tests.support.mailboxes import fill, inbox, message
from workpost.domain.messages import flags as bits
from workpost.domain.messages import removing
from workpost.domain.messages import shell as messages
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.upkeep.expiry import KEPT_MS, expire


async def expunge_all(house: Directory, grant: Grant, uids: list[int]) -> None:
    folder = await inbox(house.core, grant)
    async for _ in messages.change_flags(
        house.core, grant, folder, uids, action="add", flags=bits.DELETED
    ):
        pass
    assert await removing.expunge(house.core, grant, folder) == uids


async def test_an_old_token_gets_the_full_resync_answer(house: Directory, ada: Grant) -> None:
    folder = await inbox(house.core, ada)
    old = (await messages.changes_since(house.core, ada, folder, 0)).modseq
    await expunge_all(house, ada, await fill(house.core, ada, 3))
    middle = (await messages.changes_since(house.core, ada, folder, old)).modseq
    await house.change("UPDATE gone SET at = at - ?", KEPT_MS + 1)
    await expunge_all(house, ada, await fill(house.core, ada, 2))

    assert await expire(house.core) == 1

    assert not (await messages.changes_since(house.core, ada, folder, old)).complete
    later = await messages.changes_since(house.core, ada, folder, middle)
    assert later.complete
    assert len(later.gone) == 2
    assert await expire(house.core) == 0


async def test_young_tombstones_stay(house: Directory, ada: Grant) -> None:
    await expunge_all(house, ada, await fill(house.core, ada, 3))
    await expire(house.core)
    assert len(await house.run("SELECT uid FROM gone")) == 3


async def test_trace_events_go_after_90_days(house: Directory) -> None:
    envelope = Envelope(sender="bob@elsewhere.example", recipients=["ada@demo.test"])
    await pipeline.receive(house.core, envelope, message())
    await house.change("UPDATE event SET at = at - ?", KEPT_MS + 1)
    await pipeline.receive(house.core, envelope, message())
    await expire(house.core)
    assert len(await house.run("SELECT id FROM event")) == 1

"""Messages in transit outlive a sweep, a rotation of keys and a backup, for their day."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.operations.upkeep.conftest import Mail, MovedClock
from tests.operations.upkeep.test_backup import back_up, files, served, target
from tests.operations.upkeep.test_rotation import settle
from tests.support.transit import RAW, RETURN_PATH, begin
from workpost.domain.messages import transit
from workpost.kernel.settings import Settings
from workpost.operations.upkeep import rotation
from workpost.operations.upkeep.check import check
from workpost.operations.upkeep.expiry import expire
from workpost.operations.upkeep.restore import restore
from workpost.operations.upkeep.strays import release
from workpost.operations.upkeep.sweep import DAY_MS, Swept, sweep
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.database.unit import Reader, Row
from workpost.store.dump.loading import open_loader

__all__ = ["files", "target"]

BIG = RAW + (b"x" * 70 + b"\r\n") * 1500


async def read(core: Core, id: str) -> bytes:
    row = await core.store.read(transit.find_message, id=id)
    assert row is not None
    return await core.contents.get(row.content, await transit.open_content_key(core, row))


async def test_its_content_stays_for_its_day_and_is_swept_the_day_after(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    id = await begin(core, mail.organization, BIG)
    row = await core.store.read(transit.find_message, id=id)
    assert row is not None
    # As when the queue entry goes that had it first.
    await core.store.write(release, content_ids=[row.content])
    env.advance(DAY_MS - 60_000)
    assert await expire(core) == 0
    assert await read(core, id) == RETURN_PATH + BIG
    env.advance(120_000)
    assert await sweep(core) == Swept()
    assert await mail.directory.run("SELECT COUNT(*) FROM content") == [(1,)]
    assert (await check(core)).clean
    await expire(core)
    assert await core.store.read(transit.find_message, id=id) is None
    env.advance(DAY_MS + 1)
    assert await sweep(core) == Swept(contents=1)
    assert await mail.directory.run("SELECT COUNT(*) FROM content") == [(0,)]


async def test_its_key_outlives_the_key_that_wrapped_it(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    ids = [await begin(core, mail.organization) for _ in range(3)]
    await rotation.rotate_organization(core, mail.organization)
    assert await settle(core, env) == 1
    assert await mail.directory.run("SELECT DISTINCT gen FROM in_transit") == [(2,)]
    core.keys.hierarchy.clear.clear()
    for id in ids:
        assert await read(core, id) == RETURN_PATH + RAW


async def test_it_is_there_after_a_restore(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    id = await begin(core, mail.organization, BIG)
    await back_up(core, files, env)
    await asyncio.to_thread(restore, target, *files, env)
    async with served(target, mail, env) as again:
        assert await read(again.core, id) == RETURN_PATH + BIG
        assert await again.directory.run("SELECT id FROM content_garbage") == []
        assert (await check(again.core, full=True)).clean


async def test_a_lost_content_is_told(mail: Mail, core: Core) -> None:
    await begin(core, mail.organization)
    await mail.directory.change("DELETE FROM content")
    report = await check(core)
    assert report.found == {"stray": 1, "transit": 1}


def contents_and_candidates(tx: Reader) -> tuple[list[Row], list[Row]]:
    return tx.rows("SELECT id FROM content"), tx.rows("SELECT due, id FROM content_garbage")


async def test_a_dump_of_a_schema_without_such_messages_is_loaded(
    target: Settings, env: MovedClock
) -> None:
    id = b"0123456789abcdef"

    def load() -> None:
        with open_loader(target, 18) as loader:
            loader.load("content", ["id", "size", "place"], [[id, 1, 0]])
            loader.release_unreferenced(5)

    await asyncio.to_thread(load)
    store = await open_store(target, env)
    assert await store.read(contents_and_candidates) == ([(id,)], [(5, id)])
    await store.close()

"""Purging mailboxes and deleting organizations: durable, in slices, resumed anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.operations.jobs.conftest import MovedClock
from tests.support.directories import Directory
from tests.support.mailboxes import assert_numbers_are_true, fill, inbox
from tests.support.transit import begin
from workpost.domain.directory import shell
from workpost.domain.mailboxes import purge
from workpost.domain.mailboxes.registration import KEPT_MS, deregister_from_workmail
from workpost.domain.organizations import deletion
from workpost.domain.organizations.outside import SYNC
from workpost.domain.organizations.shell import delete_organization
from workpost.kernel.directory_settings import Directory as Outside
from workpost.kernel.errors import Conflict, KeyDestroyed, TryLater
from workpost.kernel.principal import Grant
from workpost.operations.jobs import build, runner
from workpost.operations.jobs.build import HANDLERS, build_jobs
from workpost.operations.jobs.runner import IDLE_SECONDS, lease_due
from workpost.operations.upkeep.check import check
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import erasing, jobs
from workpost.store.tables.jobs import Lease

DAY_MS = 24 * 3600 * 1000
OF_MAILBOX = ("item", "summary", "item_tag", "gone", "subscription", "folder", "mailbox")


async def left_of(house: Directory, mailbox: int) -> dict[str, int]:
    counts = {}
    for table in OF_MAILBOX:
        column = "id" if table == "mailbox" else "mailbox"
        [(count,)] = await house.run(f"SELECT COUNT(*) FROM {table} WHERE {column} = ?", mailbox)
        if count:
            counts[table] = count
    return counts


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "SLICE", 3)
    monkeypatch.setattr(deletion, "SLICE", 3)


async def test_thirty_days_after_its_deregistration_a_mailbox_is_gone(
    house: Directory, ada: Grant, env: MovedClock, small_slices: None
) -> None:
    await fill(house.core, ada, 10)
    await deregister_from_workmail(house.core, house.grant, "ada")
    env.moved = KEPT_MS - DAY_MS
    assert await house.work() == 0
    assert "item" in await left_of(house, ada.mailbox)
    env.moved = KEPT_MS
    assert await house.work() == 1
    assert await left_of(house, ada.mailbox) == {}
    with pytest.raises(KeyDestroyed):
        await house.core.keys.mailbox(house.organization, ada.mailbox)
    [(waiting,)] = await house.run("SELECT COUNT(*) FROM content_garbage")
    assert waiting == 10
    assert await house.run("SELECT 1 FROM job") == []
    assert (await check(house.core)).clean
    await house.register("ada", "ada@demo.test")
    row = (await shell.describe_user(house.core, house.grant, "ada")).row
    assert row.mailbox not in {None, ada.mailbox}


async def test_a_mailbox_attached_again_is_not_purged(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await fill(house.core, ada, 1)
    await deregister_from_workmail(house.core, house.grant, "ada")
    env.moved = KEPT_MS
    await house.core.store.write(purge.schedule_purges)
    await house.register("ada", "ada@demo.test")
    assert await house.work() == 1
    assert "item" in await left_of(house, ada.mailbox)
    await assert_numbers_are_true(house)
    assert await house.run("SELECT 1 FROM job") == []


async def test_the_mailbox_of_a_deleted_user_goes_too(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await deregister_from_workmail(house.core, house.grant, "ada")
    await shell.delete_user(house.core, house.grant, "ada")
    env.moved = KEPT_MS
    await house.work()
    assert await left_of(house, ada.mailbox) == {}


class Power:
    """Fails after so many writes, as a machine does whose power is cut."""

    def __init__(self, core: Core, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = writes
        self.write: Callable[..., Awaitable[Any]] = core.store.write_background
        monkeypatch.setattr(core.store, "write_background", self)

    async def __call__(self, command: Callable[..., Any], **values: Any) -> Any:
        if self.left == 0:
            raise SystemError("the power is cut")
        self.left -= 1
        return await self.write(command, **values)


async def lease_runs_out(house: Directory) -> None:
    await house.change("UPDATE job SET lease_until = 0 WHERE state = 'leased'")


async def lease_one(core: Core) -> Lease:
    [lease] = await core.store.write_background(lease_due, kinds=list(HANDLERS), lease_ms=60_000)
    return lease


@pytest.mark.parametrize("writes", [1, 2, 3, 5, 8])
async def test_a_purge_cut_short_anywhere_is_resumed(
    house: Directory, ada: Grant, env: MovedClock, small_slices: None, writes: int
) -> None:
    await fill(house.core, ada, 8)
    await deregister_from_workmail(house.core, house.grant, "ada")
    env.moved = KEPT_MS
    await house.core.store.write(purge.schedule_purges)
    lease = await lease_one(house.core)
    with pytest.MonkeyPatch.context() as patch:
        Power(house.core, writes, patch)
        with pytest.raises(SystemError):
            await HANDLERS[lease.kind](house.core, lease)
    assert (await check(house.core)).clean
    await lease_runs_out(house)
    assert await house.work() == 1
    assert await left_of(house, ada.mailbox) == {}
    with pytest.raises(KeyDestroyed):
        await house.core.keys.tag_key(house.organization, ada.mailbox)


@pytest.mark.parametrize("writes", [0, 2, 5, 10, 13])
@pytest.mark.parametrize("with_directory", [True, False])
async def test_a_deletion_cut_short_anywhere_is_resumed(
    house: Directory, ada: Grant, small_slices: None, writes: int, with_directory: bool
) -> None:
    await fill(house.core, ada, 5)
    await house.group("everyone", "ada", "grace")
    for _ in range(3):
        await begin(house.core, house.organization)
    await deregister_from_workmail(house.core, house.grant, "grace")
    await delete_organization(house.core, house.grant, force=True, with_directory=with_directory)
    lease = await lease_one(house.core)
    with pytest.MonkeyPatch.context() as patch:
        Power(house.core, writes, patch)
        with pytest.raises(SystemError):
            await HANDLERS[lease.kind](house.core, lease)
    assert (await check(house.core)).clean
    await lease_runs_out(house)
    assert await house.work() == 1
    left = await tables_left(house)
    assert left == ({} if with_directory else {"entity": 3, "member": 2})
    with pytest.raises(KeyDestroyed):
        await house.core.keys.organization(house.organization)
    states = await house.run("SELECT state, left_directory FROM organization")
    assert states == [("Deleted", int(not with_directory))]
    assert (await check(house.core)).clean


async def test_what_was_deleted_before_does_not_come_back_with_the_directory_that_stays(
    house: Directory, small_slices: None
) -> None:
    # More than a slice of them, and one whose name somebody else has by now.
    for name in ("one", "two", "three", "four", "five"):
        await house.user(name, enabled=False)
        await shell.delete_user(house.core, house.grant, name)
    await house.user("one")
    await delete_organization(house.core, house.grant, force=True, with_directory=False)
    assert await house.work() == 1
    assert await house.run("SELECT state FROM organization") == [("Deleted",)]
    rows = await house.run("SELECT name, state FROM entity ORDER BY name")
    assert rows == [("ada", "DISABLED"), ("grace", "DISABLED"), ("one", "DISABLED")]


async def tables_left(house: Directory) -> dict[str, int]:
    tables = [*erasing.OF_ORGANIZATION, *erasing.OF_DIRECTORY, *OF_MAILBOX, "queue"]
    tables += ["in_transit", "job"]
    counts = {}
    for table in tables:
        [(count,)] = await house.run(f"SELECT COUNT(*) FROM {table}")
        if count:
            counts[table] = count
    return counts


async def test_who_lost_the_lease_changes_nothing_any_more(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await fill(house.core, ada, 3)
    await deregister_from_workmail(house.core, house.grant, "ada")
    env.moved = KEPT_MS
    await house.core.store.write(purge.schedule_purges)
    slow = await lease_one(house.core)
    await lease_runs_out(house)
    quick = await lease_one(house.core)
    with pytest.raises(Conflict):
        await HANDLERS[slow.kind](house.core, slow)
    assert "item" in await left_of(house, ada.mailbox)
    await HANDLERS[quick.kind](house.core, quick)
    assert await left_of(house, ada.mailbox) == {}


async def test_a_job_that_fails_waits_and_the_others_go_on(
    house: Directory, ada: Grant, env: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deregister_from_workmail(house.core, house.grant, "ada")
    await deregister_from_workmail(house.core, house.grant, "grace")
    env.moved = KEPT_MS
    shred = house.core.keys.shred_mailbox

    async def refuse(organization: str, mailbox: int) -> None:
        if mailbox == ada.mailbox:
            raise TryLater("the key store is away")
        await shred(organization, mailbox)

    with monkeypatch.context() as patch:
        patch.setattr(house.core.keys, "shred_mailbox", refuse)
        assert await house.work() == 2
    assert await house.run("SELECT id FROM mailbox") == [(ada.mailbox,)]
    await house.register("ada", "ada@demo.test")
    assert await house.work() == 0
    env.moved += 60_000
    assert await house.work() == 1
    assert await left_of(house, ada.mailbox) == {}
    row = (await shell.describe_user(house.core, house.grant, "ada")).row
    assert row.mailbox is not None
    assert await inbox_of(house, row.mailbox)


async def inbox_of(house: Directory, mailbox: int) -> bool:
    rows = await house.run("SELECT 1 FROM folder WHERE mailbox = ? AND role = 'inbox'", mailbox)
    return bool(rows)


async def test_a_purge_leaves_the_rest_to_the_deletion_of_its_organization(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await inbox(house.core, ada)
    await deregister_from_workmail(house.core, house.grant, "ada")
    env.moved = KEPT_MS
    await house.core.store.write(purge.schedule_purges)
    await delete_organization(house.core, house.grant, force=True)
    assert await build_jobs(house.core).run_due() == 2
    assert await tables_left(house) == {}


async def until_done(house: Directory) -> None:
    for _ in range(3_000):
        if not await house.run("SELECT 1 FROM job"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the job is not done")


async def test_a_runner_is_woken_by_the_hint_of_a_new_job(house: Directory) -> None:
    running = asyncio.create_task(build_jobs(house.core).run())
    await asyncio.sleep(0)
    await delete_organization(house.core, house.grant, force=True)
    async with asyncio.timeout(IDLE_SECONDS - 1):
        await until_done(house)
    assert await house.run("SELECT state FROM organization") == [("Deleted",)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_runner_outlives_a_store_that_is_away(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = house.core.store.write_background
    refusals: list[Callable[..., Any]] = []

    async def refuse_twice(command: Callable[..., Any], **values: Any) -> Any:
        if len(refusals) < 2:
            refusals.append(command)
            raise TryLater("away")
        return await write(command, **values)

    monkeypatch.setattr(house.core.store, "write_background", refuse_twice)
    monkeypatch.setattr(runner, "IDLE_SECONDS", 0.01)
    await delete_organization(house.core, house.grant, force=True)
    running = asyncio.create_task(build_jobs(house.core).run())
    await until_done(house)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(refusals) == 2


@command
def make_reading(tx: Tx, *, org: str) -> None:
    jobs.insert_job(tx, id=tx.env.new_id(), org=org, kind=SYNC, dedupe=org, due=0)


async def test_a_slow_directory_keeps_no_other_waiting(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server is a stranger's, and may take its time."""
    both = {house.organization, "m-another"}
    met: set[str] = set()
    all_met = asyncio.Event()

    async def read(core: Core, lease: Lease) -> None:
        met.add(lease.org)
        if met == both:
            all_met.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(build, "SYNC_HANDLERS", {SYNC: read})
    outside = {f"d-000000000{number}": Outside() for number in range(2)}
    settings = msgspec.structs.replace(house.core.settings, directories=outside)
    monkeypatch.setattr(house.core, "settings", settings)
    for org in both:
        await house.core.store.write(make_reading, org=org)
    running = [asyncio.create_task(one.run()) for one in build.build_sync_runners(house.core)]
    try:
        async with asyncio.timeout(30):
            await all_met.wait()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

"""Recoverable items on both engines: kept, counted, restored, swept."""

from __future__ import annotations

import msgspec
import pytest

from tests.operations.jobs.conftest import MovedClock
from tests.operations.jobs.test_jobs import Power, lease_one, lease_runs_out
from tests.operations.retention.test_running import folder_of, put, uids_in
from tests.support.directories import Directory
from tests.support.mailboxes import assert_numbers_are_true, fill, inbox, log_in
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.domain.messages import flags as bits
from workpost.domain.messages import recovering, removing
from workpost.domain.messages import shell as messages
from workpost.domain.organizations.recoverable import (
    describe_recoverable_period,
    put_recoverable_period,
)
from workpost.kernel.errors import (
    AccessDenied,
    FolderNotFound,
    InvalidParameter,
    QuotaExceeded,
)
from workpost.kernel.principal import Grant, Right
from workpost.operations.recoverable import sweeping
from workpost.operations.upkeep import rotation
from workpost.operations.upkeep.check import check
from workpost.operations.upkeep.sweep import finish_folders
from workpost.store.tables.mailboxes import get_mailbox

DAY_MS = 24 * 3_600_000


async def throw_away(house: Directory, grant: Grant, count: int) -> None:
    """Put messages into Deleted Items and empty it."""
    trash = await folder_of(house, grant, "Deleted Items")
    uids = await fill(house.core, grant, count, trash)
    async for _ in messages.change_flags(
        house.core, grant, trash, uids, action="add", flags=bits.DELETED
    ):
        pass
    assert await removing.expunge(house.core, grant, trash) == uids


async def numbers(house: Directory, grant: Grant) -> list[int]:
    return await recovering.all_numbers(house.core, grant)


async def assert_all_is_well(house: Directory) -> None:
    await assert_numbers_are_true(house)
    assert (await check(house.core, full=True)).clean


async def test_what_is_kept_counts_in_no_quota_but_comes_back_only_where_there_is_room(
    house: Directory, ada: Grant
) -> None:
    await throw_away(house, ada, 2)
    row = await house.core.store.read(get_mailbox, mailbox=ada.mailbox)
    assert row is not None
    assert (row.bytes, row.items) == (0, 0)
    await house.change("UPDATE mailbox SET quota = 100 WHERE id = ?", ada.mailbox)
    with pytest.raises(QuotaExceeded):
        await recovering.restore(house.core, ada, await numbers(house, ada))
    assert len(await numbers(house, ada)) == 2
    await assert_all_is_well(house)


async def test_beyond_a_room_as_large_as_the_quota_deleting_is_final(
    house: Directory, ada: Grant
) -> None:
    await throw_away(house, ada, 3)
    kept = await recovering.list_items(house.core, ada)
    room = sum(item.size for item in kept) + kept[0].size
    await house.change("UPDATE mailbox SET quota = ? WHERE id = ?", room, ada.mailbox)
    await throw_away(house, ada, 3)
    assert await numbers(house, ada) == [1, 2, 3, 4]
    await assert_all_is_well(house)


async def test_an_organization_that_keeps_nothing_destroys_at_once_and_sweeps_what_it_kept(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await throw_away(house, ada, 2)
    await put_recoverable_period(house.core, house.grant, 0)
    await throw_away(house, ada, 1)
    assert await numbers(house, ada) == [1, 2]
    assert await house.work() == 1
    assert await numbers(house, ada) == []
    assert (await describe_recoverable_period(house.core, house.grant)).days == 0
    await put_recoverable_period(house.core, house.grant, None)
    period = await describe_recoverable_period(house.core, house.grant)
    assert (period.days, period.own) == (30, False)
    with pytest.raises(InvalidParameter):
        await put_recoverable_period(house.core, house.grant, 366)
    await throw_away(house, ada, 1)
    assert len(await numbers(house, ada)) == 1
    await assert_all_is_well(house)


async def test_a_page_shows_the_last_deleted_first_and_goes_on_below_a_number(
    house: Directory, ada: Grant
) -> None:
    assert await recovering.list_items(house.core, ada) == []
    await throw_away(house, ada, 3)
    first = await recovering.list_items(house.core, ada, limit=2)
    rest = await recovering.list_items(house.core, ada, below=first[-1].number)
    assert [item.subject for item in [*first, *rest]] == ["Number 2", "Number 1", "Number 0"]


async def test_restoring_to_a_folder_that_is_gone_is_the_inbox_unless_somebody_chose_it(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovering, "LEFT_PAGE", 1)
    folder = (await mailboxes.create_folder(house.core, ada, "Projects")).id
    trash = await folder_of(house, ada, "Deleted Items")
    uids = await fill(house.core, ada, 2, folder)
    async for _ in messages.change_flags(
        house.core, ada, folder, uids, action="add", flags=bits.DELETED
    ):
        pass
    _ = [moved async for moved in messages.move(house.core, ada, folder, uids, trash)]
    await removing.expunge(house.core, ada, trash)
    first, second = await numbers(house, ada)
    [restored] = await recovering.restore(house.core, ada, [first, first, 999])
    assert (restored.number, restored.folder) == (first, folder)
    assert await uids_in(house, ada, "Projects") == [restored.uid]
    await removing.delete_folder(house.core, ada, "Projects")
    with pytest.raises(FolderNotFound):
        await recovering.restore(house.core, ada, [second], folder=folder)
    [restored] = await recovering.restore(house.core, ada, [second])
    assert restored.folder == await inbox(house.core, ada)
    await assert_all_is_well(house)


async def test_purging_destroys_before_the_time_and_leaves_contents_to_the_sweeper(
    house: Directory, ada: Grant
) -> None:
    await throw_away(house, ada, 3)
    assert await recovering.purge(house.core, ada, [2, 2, 77]) == [2]
    assert await numbers(house, ada) == [1, 3]
    [garbage] = await house.run("SELECT COUNT(*) FROM content_garbage")
    assert garbage[0] == 1
    await assert_all_is_well(house)


async def test_who_may_only_read_restores_nothing_and_nobody_reaches_another_mailbox(
    house: Directory, ada: Grant
) -> None:
    await throw_away(house, ada, 1)
    reader = msgspec.structs.replace(ada, rights=int(Right.READ))
    assert len(await recovering.list_items(house.core, reader)) == 1
    for refused in (recovering.restore, recovering.purge):
        with pytest.raises(AccessDenied):
            await refused(house.core, reader, [1])
    with pytest.raises(AccessDenied):
        await recovering.list_items(house.core, msgspec.structs.replace(ada, rights=0))
    grace = await log_in(house.core, "grace@demo.test")
    assert await recovering.list_items(house.core, grace) == []
    assert await recovering.purge(house.core, grace, [1]) == []
    assert await numbers(house, ada) == [1]


@pytest.mark.parametrize(("action", "left"), [("DELETE", 2), ("PERMANENTLY_DELETE", 0)])
async def test_a_retention_policy_on_deleted_items_keeps_or_destroys_as_its_action_says(
    house: Directory, ada: Grant, env: MovedClock, action: str, left: int
) -> None:
    await fill(house.core, ada, 2, await folder_of(house, ada, "Deleted Items"))
    await put(house, ("DELETED_ITEMS", action, 5))
    env.moved = 6 * DAY_MS
    await house.work()
    assert await uids_in(house, ada, "Deleted Items") == []
    assert len(await numbers(house, ada)) == left
    await assert_all_is_well(house)


async def test_a_policy_that_deletes_permanently_shortens_the_period(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await throw_away(house, ada, 2)
    await put(house, ("DELETED_ITEMS", "PERMANENTLY_DELETE", 5))
    env.moved = 4 * DAY_MS
    await house.work()
    assert len(await numbers(house, ada)) == 2
    env.moved = 6 * DAY_MS
    await house.work()
    assert await numbers(house, ada) == []


async def test_a_deletion_under_deleted_items_that_was_cut_short_still_keeps(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "Deleted Items/Old"
    await fill(house.core, ada, 3, (await mailboxes.create_folder(house.core, ada, path)).id)
    monkeypatch.setattr(removing, "SLICE", 2)
    with pytest.MonkeyPatch.context() as patch:
        Power(house.core, 1, patch)
        with pytest.raises(SystemError):
            await removing.delete_folder(house.core, ada, path)
    assert await finish_folders(house.core) == 1
    assert len(await numbers(house, ada)) == 3
    await assert_all_is_well(house)


async def test_the_end_of_a_mailbox_takes_what_it_kept(
    house: Directory, ada: Grant, env: MovedClock
) -> None:
    await throw_away(house, ada, 2)
    await deregister_from_workmail(house.core, house.grant, "ada")
    env.moved = 31 * DAY_MS
    await house.work()
    for table in ("item", "summary", "folder"):
        rows = await house.run(f"SELECT 1 FROM {table} WHERE mailbox = ?", ada.mailbox)
        assert rows == []
    assert (await check(house.core, full=True)).clean


async def test_a_rotation_of_the_keys_seals_it_anew(house: Directory, ada: Grant) -> None:
    await throw_away(house, ada, 1)
    await rotation.rotate_mailbox(house.core, house.organization, ada.mailbox)
    await rotation.rewrap_mailbox(house.core, house.organization, ada.mailbox)
    [item] = await recovering.list_items(house.core, ada)
    assert item.subject == "Number 0"
    gens = await house.run(
        "SELECT f.gen, s.gen FROM folder f, summary s WHERE f.hidden = 3 AND s.mailbox = f.mailbox"
    )
    assert gens == [(2, 2)]
    await assert_all_is_well(house)


@pytest.mark.parametrize("writes", [1, 3])
async def test_a_sweep_cut_short_anywhere_is_resumed(
    house: Directory, ada: Grant, env: MovedClock, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.setattr(sweeping, "SLICE", 2)
    await throw_away(house, ada, 3)
    grace = await log_in(house.core, "grace@demo.test")
    await throw_away(house, grace, 3)
    env.moved = 31 * DAY_MS
    lease = await lease_one(house.core)
    with pytest.MonkeyPatch.context() as patch:
        Power(house.core, writes, patch)
        with pytest.raises(SystemError):
            await sweeping.sweep(house.core, lease)
    await lease_runs_out(house)
    # Each slice is a turn of its own from here on.
    monkeypatch.setattr(sweeping, "TURN_SECONDS", 0)
    await house.work()
    ada, grace = [await log_in(house.core, f"{name}@demo.test") for name in ("ada", "grace")]
    assert (await numbers(house, ada), await numbers(house, grace)) == ([], [])
    await assert_all_is_well(house)

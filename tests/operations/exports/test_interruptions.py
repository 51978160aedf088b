"""Exports that are cancelled, fail or are cut short: no upload is left, and the reason is true."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.operations.exports.conftest import Exporter, Gate
from tests.support.mailboxes import fill
from workpost.domain.mailboxes import exports
from workpost.domain.organizations.shell import delete_organization
from workpost.integrations.s3.depot import Refused
from workpost.integrations.s3.folder import FolderDepot
from workpost.kernel.errors import TryLater
from workpost.kernel.outside_settings import Outside
from workpost.kernel.principal import Grant
from workpost.operations.exports import working
from workpost.operations.jobs.runner import LEASE_MS, lease_due
from workpost.store.tables.exports import CANCELLED, COMPLETED, FAILED, RUNNING
from workpost.store.tables.jobs import Lease

EXPORT = [exports.EXPORT]


# --- cancelling -----------------------------------------------------------------------------------


async def test_a_running_export_is_cancelled_at_once(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 2)
    gate = Gate(monkeypatch)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    assert (await exporter.row(id)).upload
    assert len(exporter.files) == 1
    await exporter.cancel(id)
    assert (await exporter.row(id)).state == CANCELLED
    await asyncio.wait_for(working_on, 30)
    assert exporter.files == []
    row = await exporter.row(id)
    assert (row.state, row.upload, row.error) == (CANCELLED, "", "")
    assert await exporter.house.run("SELECT 1 FROM job") == []
    await exporter.cancel(id)


async def test_a_cancelled_export_is_not_completed(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "BEAT_SECONDS", 60)
    await fill(exporter.house.core, ada, 2)
    gate = Gate(monkeypatch)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    await exporter.cancel(id)
    gate.go.set()
    await working_on
    assert exporter.files == []
    assert (await exporter.row(id)).state == CANCELLED


async def test_an_export_that_nobody_works_on_is_cancelled(exporter: Exporter, ada: Grant) -> None:
    id = await exporter.start()
    await exporter.cancel(id)
    assert await exporter.work() == 1
    assert exporter.files == []
    assert (await exporter.row(id)).state == CANCELLED


async def test_an_export_that_is_nearly_complete_is_not_cancelled(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 1)
    id = await exporter.start()
    loop = asyncio.get_running_loop()
    real = FolderDepot.complete

    def late(self: FolderDepot, *args: Any) -> None:
        asyncio.run_coroutine_threadsafe(exporter.cancel(id), loop).result(10)
        real(self, *args)

    monkeypatch.setattr(FolderDepot, "complete", late)
    await exporter.work()
    assert (await exporter.row(id)).state == COMPLETED
    assert len(exporter.messages(id)) == 1


async def test_an_upload_that_cannot_be_thrown_away_now_is_thrown_away_later(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 1)
    gate = Gate(monkeypatch)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    real = FolderDepot.abort
    monkeypatch.setattr(FolderDepot, "abort", _away)
    await exporter.cancel(id)
    await working_on
    assert len(exporter.files) == 1
    assert (await exporter.row(id)).state == CANCELLED
    monkeypatch.setattr(FolderDepot, "abort", real)
    await exporter.due_now()
    assert await exporter.work() == 1
    assert exporter.files == []


def _away(*_: Any) -> None:
    raise TryLater("the bucket is away")


# --- failing and beginning anew -------------------------------------------------------------------


async def test_an_attempt_that_was_cut_short_begins_anew_and_leaves_no_upload(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 2)
    with monkeypatch.context() as patch:
        gate = Gate(patch)
        id = await exporter.start()
        working_on = asyncio.create_task(exporter.work())
        await gate.reached.wait()
        working_on.cancel()
        await asyncio.gather(working_on, return_exceptions=True)
    assert len(exporter.files) == 1
    # Another one, begun by a process that died before it could write down which.
    lost = FolderDepot(exporter.folder).begin(f"mail/{id}.zip")
    assert (await exporter.row(id)).upload != lost
    assert await exporter.work() == 0
    await exporter.due_now()
    assert await exporter.work() == 1
    row = await exporter.row(id)
    assert (row.state, row.attempts) == (COMPLETED, 2)
    assert exporter.files == [f"mail/{id}.json", f"mail/{id}.zip"]
    assert len(exporter.messages(id)) == 2


async def test_who_lost_the_lease_changes_nothing(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = exporter.house.core
    await fill(core, ada, 2)
    gate = Gate(monkeypatch)
    id = await exporter.start()
    first = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    leases: list[Lease] = []
    while not leases:  # the holder may hold it longer in between
        await exporter.due_now()
        leases = await core.store.write(lease_due, kinds=EXPORT, lease_ms=LEASE_MS)
    await asyncio.wait_for(first, 30)
    assert (await exporter.row(id)).state == RUNNING
    assert exporter.files == []
    await working.export_mailbox(core, leases[0])
    assert (await exporter.row(id)).state == COMPLETED


async def test_a_bucket_that_is_away_for_a_moment_is_waited_for(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 1)
    tries = iter([_away, _away])
    real = FolderDepot.put_part

    def put_part(self: FolderDepot, *args: Any) -> str:
        next(tries, lambda: None)()
        return real(self, *args)

    monkeypatch.setattr(FolderDepot, "put_part", put_part)
    id = await exporter.start()
    await exporter.work()
    row = await exporter.row(id)
    assert (row.state, row.attempts) == (COMPLETED, 1)


async def test_an_answer_that_is_lost_is_no_failure(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 1)
    real = FolderDepot.complete
    calls = iter([True])

    def complete(self: FolderDepot, *args: Any) -> None:
        real(self, *args)
        if next(calls, False):
            _away()

    monkeypatch.setattr(FolderDepot, "complete", complete)
    id = await exporter.start()
    await exporter.work()
    row = await exporter.row(id)
    assert (row.state, row.error) == (RUNNING, f"The upload of mail/{id}.zip is not there.")
    await exporter.due_now()
    await exporter.work()
    row = await exporter.row(id)
    assert (row.state, row.attempts) == (COMPLETED, 2)
    assert exporter.files == [f"mail/{id}.json", f"mail/{id}.zip"]


async def test_after_some_attempts_an_export_fails_with_the_last_reason(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(FolderDepot, "put_part", _away)
    id = await exporter.start()
    for attempt in (1, 2):
        assert await exporter.work() == 1
        row = await exporter.row(id)
        assert (row.attempts, row.state, row.upload != "") == (attempt, RUNNING, True)
        assert exporter.files == []
        await exporter.due_now()
    assert await exporter.work() == 1
    row = await exporter.row(id)
    assert (row.state, row.upload) == (FAILED, "")
    assert row.error == "The export was interrupted 2 times: The bucket is away."


async def test_a_bucket_that_refuses(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderDepot, "put_part", _refuse)
    id = await exporter.start()
    await exporter.work()
    row = await exporter.row(id)
    assert (row.state, row.error) == (FAILED, "The bucket exports is public.")
    assert exporter.files == []


def _refuse(*_: Any) -> None:
    raise Refused("the bucket exports is public")


async def test_a_message_that_does_not_open(exporter: Exporter, ada: Grant) -> None:
    await fill(exporter.house.core, ada, 1)
    await exporter.house.change("UPDATE content SET size = size + 1")
    id = await exporter.start()
    await exporter.work()
    row = await exporter.row(id)
    assert row.state == FAILED
    assert row.error.startswith("A message cannot be read: content ")
    assert exporter.files == []


async def test_a_bucket_that_is_not_mapped_any_more(exporter: Exporter, ada: Grant) -> None:
    core = exporter.house.core
    id = await exporter.start()
    unmapped = msgspec.structs.replace(core.settings, outside=Outside())
    msgspec.structs.force_setattr(core, "settings", unmapped)
    await exporter.work()
    row = await exporter.row(id)
    assert row.state == FAILED
    assert row.error == "The bucket, the KMS key or the role is not mapped any more."


async def test_a_mailbox_whose_key_is_destroyed(exporter: Exporter, ada: Grant) -> None:
    core = exporter.house.core
    id = await exporter.start()
    await core.keys.shred_mailbox(exporter.house.organization, ada.mailbox)
    await exporter.work()
    row = await exporter.row(id)
    assert (row.state, row.error) == (FAILED, "The mailbox was deleted.")
    assert exporter.files == []


async def test_a_mailbox_that_is_destroyed_meanwhile(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(exporter.house.core, ada, 2)
    gate = Gate(monkeypatch)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    await exporter.house.change("UPDATE mailbox SET state = 'PURGING' WHERE id = ?", ada.mailbox)
    gate.go.set()
    await working_on
    row = await exporter.row(id)
    assert (row.state, row.error, row.upload) == (FAILED, "The mailbox was deleted.", "")
    assert exporter.files == []


async def test_a_cancelled_export_whose_worker_died_leaves_no_upload(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(working._Attempt, "_send", dies)
        id = await exporter.start()
        with pytest.raises(asyncio.CancelledError):
            await exporter.work()
    # It died before it could write down what it had begun.
    await exporter.house.change("UPDATE export_job SET upload = ''")
    assert len(exporter.files) == 1
    await exporter.cancel(id)
    await exporter.due_now()
    assert await exporter.work() == 1
    assert exporter.files == []
    assert (await exporter.row(id)).state == CANCELLED


async def test_a_bucket_that_is_away_keeps_no_organization_from_being_deleted(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = exporter.house
    id = await exporter.start()
    await house.change("UPDATE export_job SET upload = 'begun', attempts = 1")
    monkeypatch.setattr(FolderDepot, "unfinished", _away)
    await delete_organization(house.core, house.grant, force=True, with_directory=True)
    await house.work()
    assert await house.run("SELECT 1 FROM export_job WHERE id = ?", id) == []
    assert await house.run("SELECT 1 FROM job") == []


async def test_a_deleted_organization_leaves_no_upload(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = exporter.house
    await fill(house.core, ada, 1)
    gate = Gate(monkeypatch)
    await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    assert len(exporter.files) == 1
    await delete_organization(house.core, house.grant, force=True, with_directory=True)
    await house.work()
    await asyncio.wait_for(working_on, 30)
    assert exporter.files == []
    assert await house.run("SELECT 1 FROM export_job") == []
    assert await house.run("SELECT 1 FROM job") == []


async def test_a_failed_export_may_be_repeated_at_once(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FolderDepot, "check", _refuse)
        id = await exporter.start()
        await exporter.work()
    assert (await exporter.row(id)).state == FAILED
    again = await exporter.start()
    await exporter.work()
    assert (await exporter.row(again)).state == COMPLETED

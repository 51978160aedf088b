"""Jobs are held by leases, and a fence stops a holder that lost its own."""

from __future__ import annotations

import pytest

from workpost.kernel.errors import Conflict
from workpost.store.database.store import Store
from workpost.store.database.unit import Tx, command
from workpost.store.tables import jobs

MINUTE = 60_000


@command
def add(tx: Tx, *, id: int, dedupe: str, due: int) -> bool:
    return jobs.insert_job(tx, id=id, org="o", kind="sweep", dedupe=dedupe, due=due)


@command
def take(tx: Tx, *, now: int, limit: int = 10, lease_ms: int = MINUTE) -> list[jobs.Lease]:
    return jobs.lease_jobs(tx, kinds=["sweep"], now=now, limit=limit, lease_ms=lease_ms)


@command
def save(tx: Tx, *, id: int, fence: int, lease_ms: int = MINUTE) -> None:
    jobs.check_lease(tx, id=id, fence=fence)
    jobs.save_job(tx, id=id, fence=fence, cursor=b"here", progress=7, lease_ms=lease_ms)


@command
def put_back(tx: Tx, *, id: int, fence: int, due: int) -> None:
    jobs.put_back_job(tx, id=id, fence=fence, due=due)


@command
def finish(tx: Tx, *, id: int, fence: int) -> None:
    jobs.finish_job(tx, id=id, fence=fence)


async def test_a_job_is_added_once_and_announced(store: Store) -> None:
    heard: list[int] = []
    store.watch("job", "sweep", heard.append)
    assert await store.write(add, id=1, dedupe="sweep", due=5)
    assert not await store.write(add, id=2, dedupe="sweep", due=6)
    assert heard == [5]


async def test_due_jobs_are_leased_in_order_and_to_one_holder(store: Store) -> None:
    for n in (3, 1, 2):
        await store.write(add, id=n, dedupe=f"d{n}", due=n)
    assert [lease.id for lease in await store.write(take, now=2, limit=1)] == [1]
    assert [lease.id for lease in await store.write(take, now=2)] == [2]
    assert await store.write(take, now=2) == []


async def test_a_lease_that_ran_out_is_taken_over_with_a_higher_fence(store: Store) -> None:
    await store.write(add, id=1, dedupe="d", due=0)
    (first,) = await store.write(take, now=0)
    await store.write(save, id=1, fence=first.fence, lease_ms=-1)
    (second,) = await store.write(take, now=0)
    assert second.fence == first.fence + 1
    assert (second.cursor, second.progress) == (b"here", 7)
    for lost in (
        store.write(save, id=1, fence=first.fence),
        store.write(put_back, id=1, fence=first.fence, due=9),
        store.write(finish, id=1, fence=first.fence),
    ):
        with pytest.raises(Conflict):
            await lost
    await store.write(put_back, id=1, fence=second.fence, due=9)
    assert await store.write(take, now=8) == []
    (third,) = await store.write(take, now=9)
    await store.write(finish, id=1, fence=third.fence)
    assert await store.write(take, now=100) == []

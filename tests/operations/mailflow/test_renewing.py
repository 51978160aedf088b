"""Leases of the queue are renewed for as long as somebody works under them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.operations.mailflow.test_orders import queue_mail
from tests.support.directories import Directory
from workpost.kernel.principal import Grant
from workpost.operations.mailflow.renewing import keep_renewing

LEASE_MS = 400


async def lease_end(house: Directory) -> int:
    ((until,),) = await house.run("SELECT lease_until FROM queue_rcpt WHERE state = 'leased'")
    return int(until)


@pytest.mark.parametrize("fault", [None, RuntimeError("a mistake of ours")])
async def test_a_lease_is_held_longer_also_after_a_round_that_failed(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    await queue_mail(house, ada)
    await house.change("UPDATE queue_rcpt SET state = 'leased', fence = 7 WHERE n = 0")
    ((entry,),) = await house.run("SELECT id FROM queue")
    write = house.core.store.write_background
    failed: list[Exception] = []

    async def fail_once(*args: Any, **more: Any) -> Any:
        if fault is not None and not failed:
            failed.append(fault)
            raise fault
        return await write(*args, **more)

    monkeypatch.setattr(house.core.store, "write_background", fail_once)
    keeping = asyncio.create_task(keep_renewing(house.core, lambda: [(entry, 7)], LEASE_MS))
    seen = {await lease_end(house)}
    while len(seen) < 3:
        await asyncio.sleep(0.05)
        seen.add(await lease_end(house))
    keeping.cancel()
    assert len(failed) == (fault is not None)

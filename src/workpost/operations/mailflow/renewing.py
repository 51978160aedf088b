"""Leases of the queue are held for as long as somebody works under them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.operations.mailflow.queueing import renew
from workpost.store.core import Core

Held = tuple[int, int]
"""An entry and the fence under which rows of it are leased."""

log = logger("mailflow")


def lease_ms_of(core: Core) -> int:
    """How long a lease of the queue holds that nobody renews, in milliseconds."""
    return core.settings.queue.lease_seconds * 1000


async def keep_renewing(core: Core, held: Callable[[], Collection[Held]], lease_ms: int) -> None:
    """Renew what is held, four times before it would end, until cancelled.

    A lease that could not be renewed is taken over; its fence then keeps what is written late out.
    """
    while True:
        await asyncio.sleep(lease_ms / 4000)
        now = sorted(held())
        if not now:
            continue
        try:
            await core.store.write_background(renew, held=now, lease_ms=lease_ms)
        except WorkpostError as error:
            log.warning("leases are not renewed", error=str(error))
        except Exception:
            # Whoever stopped renewing would have all its work done a second time by others.
            log.exception("renewing leases failed inside")

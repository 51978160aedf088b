"""The job `recoverable.sweep`: one an organization, once an hour, mailbox by mailbox, in slices.

It begins with the first item that an organization keeps and stays as long as the organization. A
slice is one transaction under the lease: a process that dies costs no item twice.
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages import recoverable
from workpost.kernel import metrics
from workpost.kernel.errors import MailboxNotFound
from workpost.kernel.principal import Grant
from workpost.operations.jobs.runner import LEASE_MS
from workpost.store.core import Core
from workpost.store.tables.jobs import Lease
from workpost.store.tables.recoverable import page_mailboxes

TURN_SECONDS = 5.0
"""How long a sweep works before other jobs have their turn; less than a lease."""
PAGE = 100
SLICE = 100

_DESTROYED = metrics.counter(
    "workpost_recoverable_destroyed_total", "Recoverable items destroyed after their time."
)


async def sweep(core: Core, lease: Lease) -> None:
    """Handle `recoverable.sweep`. Raises Conflict when the lease is lost, TryLater."""
    after = msgspec.msgpack.decode(lease.cursor, type=int) if lease.cursor is not None else 0
    until = core.env.monotonic() + TURN_SECONDS
    while page := await core.store.read(page_mailboxes, org=lease.org, after=after, limit=PAGE):
        for mailbox in page:
            while not await _slice(core, lease, mailbox):
                if core.env.monotonic() >= until:
                    return await _end(core, lease, after, more=True)
            after = mailbox
            if core.env.monotonic() >= until:
                return await _end(core, lease, after, more=True)
    return await _end(core, lease, 0, more=False)


async def _slice(core: Core, lease: Lease, mailbox: int) -> bool:
    """Destroy one slice; True when the mailbox is done."""
    try:
        swept = await core.store.write_background(
            recoverable.sweep,
            grant=Grant.system("recoverable", lease.org, mailbox),
            lease=lease,
            lease_ms=LEASE_MS,
            default_days=core.settings.retention.recoverable_days,
            limit=SLICE,
        )
    except MailboxNotFound:
        return True
    _DESTROYED.inc(swept.destroyed)
    return swept.done


async def _end(core: Core, lease: Lease, after: int, *, more: bool) -> None:
    await core.store.write_background(
        recoverable.end_turn, lease=lease, lease_ms=LEASE_MS, after=after, more=more
    )

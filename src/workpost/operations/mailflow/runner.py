"""The runner of the local queue: recipients of large groups, and mailboxes that were full.

Leases at most 100 recipients of one entry, opens the message, and moves exactly those from queued
to delivered in one transaction (invariant 3). A dead runner's lease runs out after a minute and
its fence no longer fits, so nothing is delivered twice.
"""

from __future__ import annotations

import asyncio

from workpost.domain.messages import delivery
from workpost.domain.messages.prepare import NewItem, seal_item
from workpost.domain.messages.shell import mailbox_keys, summary_of
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import KeyDestroyed, MailboxNotFound, QuotaExceeded, WorkpostError
from workpost.kernel.logging import logger
from workpost.operations.mailflow import envelope as stored
from workpost.operations.mailflow.queueing import lease_due, postpone
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.queue import LOCAL, LeasedEntry

BATCH = 100
LEASE_MS = 60_000
RETRY_MS = 15 * 60_000
IDLE_SECONDS = 5.0

log = logger("mailflow")


class LocalRunner:
    """Delivers what waits for local mailboxes; one per process, woken by hints of the queue."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        watch = self._core.store.watch("queue", "", lambda _: self._wake.set())
        try:
            while True:
                self._wake.clear()
                try:
                    worked = await deliver_one(self._core)
                except WorkpostError as error:
                    log.warning("local delivery is delayed", error=str(error))
                    worked = False
                if not worked:
                    await self._rest()
        finally:
            watch.close()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
        except TimeoutError:
            return


async def deliver_one(core: Core) -> bool:
    """Lease and deliver one batch; False when nothing is due."""
    entry = await core.store.write_background(
        lease_due, route=LOCAL, limit=BATCH, lease_ms=LEASE_MS, fence=core.env.new_id()
    )
    if entry is None:
        return False
    opened = await _open(core, entry.leased)
    pairs = [
        (number, recipient, await _item(core, opened, recipient))
        for number, recipient in opened.recipients
    ]
    ready = [(number, item) for number, _, item in pairs if item is not None]
    late = [number for number, _, item in pairs if item is None]
    delivered = await _deliver(core, entry.leased.id, entry.fence, ready)
    late += [number for number, _ in ready if number not in delivered]
    if late:
        await core.store.write_background(
            postpone,
            queue_id=entry.leased.id,
            fence=entry.fence,
            numbers=late,
            delay_ms=RETRY_MS,
        )
    return True


async def _deliver(
    core: Core, queue_id: int, fence: int, ready: list[tuple[int, NewItem]]
) -> set[int]:
    """Deliver all in one transaction, or one by one when one of the mailboxes is full."""
    try:
        done = await core.store.write_background(
            delivery.deliver_queued, queue_id=queue_id, fence=fence, deliveries=ready
        )
        return set(done)
    except (QuotaExceeded, MailboxNotFound):
        if len(ready) <= 1:
            return set()
    delivered: set[int] = set()
    for pair in ready:
        delivered |= await _deliver(core, queue_id, fence, [pair])
    return delivered


class _Opened:
    """A leased message in clear."""

    def __init__(
        self,
        entry: LeasedEntry,
        content_key: bytes,
        size: int,
        summary: Summary,
        recipients: list[tuple[int, stored.StoredRecipient]],
    ) -> None:
        self.entry = entry
        self.content_key = content_key
        self.size = size
        self.summary = summary
        self.packed = summary.pack()
        self.recipients = recipients


async def _open(core: Core, entry: LeasedEntry) -> _Opened:
    key = await core.keys.organization(entry.org, entry.gen)
    content_key = sealing.unseal(
        key.key,
        entry.wrapped_key,
        sealing.place("queue", "wrapped_key", entry.org, "queue", entry.id),
    )
    raw = await core.contents.get(entry.content, content_key)
    recipients = []
    for number, _, sealed in entry.recipients:
        place = sealing.place("queue_rcpt", "sealed", entry.org, entry.id, number)
        recipients.append((number, stored.decode_recipient(sealing.unseal(key.key, sealed, place))))
    return _Opened(entry, content_key, len(raw), await summary_of(raw), recipients)


async def _item(core: Core, opened: _Opened, recipient: stored.StoredRecipient) -> NewItem | None:
    try:
        keys = await mailbox_keys(core, recipient.organization, recipient.mailbox)
    except KeyDestroyed:
        return None
    return seal_item(
        core.env,
        keys,
        summary=opened.summary,
        packed=opened.packed,
        content=opened.entry.content,
        content_key=opened.content_key,
        size=opened.size,
        received=opened.entry.created,
    )

"""From a routed message to what one transaction writes: sealed items, queue rows, events.

Up to `mailflow.direct_recipients` mailboxes are delivered to in the accepting transaction; everyone
else has a queue row (decisions 6). A recipient appears in exactly one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, Local
from workpost.domain.messages.delivery import Queued
from workpost.domain.messages.prepare import NewItem, seal_item
from workpost.domain.messages.shell import mailbox_keys
from workpost.formats.addresses import fold_domain, split
from workpost.formats.mime.summary import Summary
from workpost.operations.mailflow.envelope import Envelope, StoredEnvelope, StoredRecipient, encode
from workpost.operations.mailflow.trace import Stamped
from workpost.store.content.types import Placed
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.queue import (
    HELD,
    LOCAL,
    WAITING,
    NewQueueEntry,
    NewQueueRecipient,
)


class Message(msgspec.Struct, frozen=True):
    """A message whose content is placed: everything that routing does not change."""

    stamped: Stamped
    envelope: Envelope
    summary: Summary
    packed: bytes
    content: Placed
    content_key: bytes
    received: int


def split_direct(routed: Expansion, size: int, limit: int) -> tuple[list[Local], list[Local]]:
    """Who is delivered to now, and who waits here: full mailboxes, and those over `limit`."""
    direct = [one for one in routed.local if one.bytes + size <= one.quota][:limit]
    chosen = {one.mailbox for one in direct}
    return direct, [one for one in routed.local if one.mailbox not in chosen]


async def make_items(core: Core, message: Message, deliveries: Sequence[Local]) -> list[NewItem]:
    """One sealed item for each mailbox."""
    items = []
    for delivery in deliveries:
        keys = await mailbox_keys(core, delivery.organization, delivery.mailbox)
        items.append(
            seal_item(
                core.env,
                keys,
                summary=message.summary,
                packed=message.packed,
                content=message.content.id,
                content_key=message.content_key,
                size=message.content.size,
                received=message.received,
            )
        )
    return items


async def make_queued(
    core: Core,
    message: Message,
    *,
    organization: str,
    local: Sequence[Local],
    external: Sequence[str],
    direction: str,
) -> Queued | None:
    """The queue entry of one organization, or None when nobody waits."""
    if not local and not external:
        return None
    key = await core.keys.organization(organization)
    queue = core.env.new_id()
    stored = StoredEnvelope(
        trace=message.stamped.trace,
        sender=message.envelope.sender,
        smtputf8=message.envelope.smtputf8,
        size=message.content.size,
        skip=message.stamped.skip,
    )
    entry = NewQueueEntry(
        id=queue,
        org=organization,
        content=message.content.id,
        wrapped_key=sealing.seal(
            key.key,
            message.content_key,
            sealing.place("queue", "wrapped_key", organization, "queue", queue),
        ),
        gen=key.gen,
        sealed_envelope=sealing.seal(
            key.key,
            encode(stored),
            sealing.place("queue", "sealed_envelope", organization, "queue", queue),
        ),
        direction=direction,
        hold_until=None,
    )
    waiting = [
        StoredRecipient(
            address=one.address,
            organization=one.organization,
            entity=one.entity,
            mailbox=one.mailbox,
        )
        for one in local
    ] + [StoredRecipient(address=address) for address in external]
    rows = [
        _row(core, key.key, organization, queue, number, recipient)
        for number, recipient in enumerate(waiting)
    ]
    return Queued(entry, rows)


def _row(
    core: Core, key: bytes, organization: str, queue: int, number: int, recipient: StoredRecipient
) -> NewQueueRecipient:
    local = recipient.mailbox != 0
    held = core.settings.mailflow.hold_outside and not local
    return NewQueueRecipient(
        n=number,
        route=LOCAL if local else fold_domain(split(recipient.address)[1]),
        state=HELD if held else WAITING,
        due=core.env.now(),
        sealed=sealing.seal(
            key,
            encode(recipient),
            sealing.place("queue_rcpt", "sealed", organization, queue, number),
        ),
    )

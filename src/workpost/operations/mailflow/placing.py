"""From a routed message to what one transaction writes: sealed items, queue rows, events.

Up to `mailflow.direct_recipients` mailboxes are delivered to in the accepting transaction;
everyone else waits in the queue (decisions 6): recipients elsewhere in a row each, those who live
here in rows of up to `BATCH`, sealed together; what people forward in entries of its own. A
recipient appears in exactly one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, Forward, Local
from workpost.domain.messages.delivery import Outgoing, Queued
from workpost.domain.messages.prepare import NewItem, seal_item
from workpost.domain.messages.shell import mailbox_keys
from workpost.formats.addresses import fold, fold_domain, split
from workpost.formats.mime.summary import Summary
from workpost.operations.mailflow.envelope import (
    NO_WISH,
    Envelope,
    StoredEnvelope,
    StoredRecipient,
    encode,
)
from workpost.operations.mailflow.forwarding import group_forwards
from workpost.operations.mailflow.trace import Stamped
from workpost.store.content.squeezing import squeeze
from workpost.store.content.types import Placed, content_key
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.folders import INBOX
from workpost.store.tables.queue import (
    HELD,
    LOCAL,
    WAITING,
    NewQueueEntry,
    NewQueueRecipient,
)

YIELD = 20
"""Queue rows sealed before the loop gets its turn."""
NO_ROLES: Mapping[int, str] = {}
BATCH = 100
"""Local recipients of one queue row: delivered in one transaction (invariant 3)."""


class Message(msgspec.Struct, frozen=True):
    """A message whose content is placed: everything that routing does not change."""

    stamped: Stamped
    envelope: Envelope
    summary: Summary
    stored: bytes
    """The summary as its rows hold it."""
    content: Placed
    content_key: bytes
    received: int


async def place(core: Core, envelope: Envelope, stamped: Stamped, summary: Summary) -> Message:
    """Put the content of a stamped message where it will stay."""
    key = content_key(core.env)
    content = await core.contents.put(stamped.raw, key, core.env.new_content_id())
    stored = squeeze(summary.pack())
    return Message(stamped, envelope, summary, stored, content, key, core.env.now())


async def make_outgoing(
    core: Core,
    message: Message,
    routed: Expansion,
    *,
    home: str,
    direction: str,
    roles: Mapping[int, str] = NO_ROLES,
) -> Outgoing:
    """All that one transaction writes of a routed message; `home` queues what goes elsewhere.

    `roles` has, by mailbox, the role of the folder that takes it where that is not the INBOX.
    """
    direct, waiting = split_direct(
        routed, message.content.size, core.settings.mailflow.direct_recipients
    )
    queued: list[Queued] = []
    if waiting or routed.external:
        queued = await _make_queue(core, message, waiting, routed.external, home, direction, roles)
    if routed.forwards:
        queued += await _make_forwards(core, message, routed.forwards)
    return Outgoing(message.content, await make_items(core, message, direct, roles), queued)


async def _make_queue(
    core: Core,
    message: Message,
    waiting: Sequence[Local],
    external: Sequence[str],
    home: str,
    direction: str,
    roles: Mapping[int, str],
) -> list[Queued]:
    # The fold finds people; a host elsewhere gets its local part as the sender wrote it.
    written = {fold(address): address for address in message.envelope.recipients}
    elsewhere = [written[folded] for folded in external]
    queued: list[Queued] = []
    for organization in sorted({home, *(one.organization for one in waiting)}):
        entry = await make_queued(
            core,
            message,
            organization=organization,
            local=[one for one in waiting if one.organization == organization],
            external=elsewhere if organization == home else [],
            direction=direction,
            roles=roles,
        )
        if entry is not None:
            queued.append(entry)
    return queued


async def _make_forwards(core: Core, message: Message, forwards: Sequence[Forward]) -> list[Queued]:
    """The entries of mail that goes on; who keeps no copy here passes the sender's wishes on."""
    wishes = {fold(one): wish for one, wish in message.envelope.wishes.items()}
    queued = []
    for group in await group_forwards(core, message.envelope.sender, forwards):
        recipients = [
            StoredRecipient(address, wish=wishes.get(rcpt, NO_WISH))
            for address, rcpt in zip(group.addresses, group.rcpts, strict=True)
        ]
        stored = msgspec.structs.replace(
            stored_envelope(message), sender=group.sender, forwarded=group.forwarded
        )
        queued.append(
            await _seal_entry(
                core,
                message,
                stored,
                organization=group.organization,
                batches=[[one] for one in recipients],
                direction="outgoing",
            )
        )
    return queued


def split_direct(routed: Expansion, size: int, limit: int) -> tuple[list[Local], list[Local]]:
    """Who is delivered to now, and who waits here: full mailboxes, and those over `limit`."""
    direct = [one for one in routed.local if one.bytes + size <= one.quota][:limit]
    if len(direct) == len(routed.local):
        return direct, []
    chosen = {one.mailbox for one in direct}
    return direct, [one for one in routed.local if one.mailbox not in chosen]


async def make_items(
    core: Core, message: Message, deliveries: Sequence[Local], roles: Mapping[int, str] = NO_ROLES
) -> list[NewItem]:
    """One sealed item for each mailbox."""
    items = []
    for delivery in deliveries:
        keys = await mailbox_keys(core, delivery.organization, delivery.mailbox)
        items.append(
            seal_item(
                core.env,
                keys,
                summary=message.summary,
                stored=message.stored,
                content=message.content.id,
                content_key=message.content_key,
                size=message.content.size,
                received=message.received,
                role=roles.get(delivery.mailbox, INBOX),
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
    roles: Mapping[int, str] = NO_ROLES,
) -> Queued | None:
    """The queue entry of one organization, or None when nobody waits."""
    if not local and not external:
        return None
    batches = [
        [
            StoredRecipient(one.address, one.mailbox, role=roles.get(one.mailbox, INBOX))
            for one in local[start : start + BATCH]
        ]
        for start in range(0, len(local), BATCH)
    ] + [
        [StoredRecipient(address, wish=message.envelope.wishes.get(address, NO_WISH))]
        for address in external
    ]
    return await _seal_entry(
        core,
        message,
        stored_envelope(message),
        organization=organization,
        batches=batches,
        direction=direction,
    )


def stored_envelope(message: Message) -> StoredEnvelope:
    """What the queue remembers of a message."""
    return StoredEnvelope(
        trace=message.stamped.trace,
        sender=message.envelope.sender,
        smtputf8=message.envelope.smtputf8,
        size=message.content.size,
        skip=message.stamped.skip,
        body=message.envelope.body,
        requiretls=message.envelope.requiretls,
        ret=message.envelope.ret,
        envid=message.envelope.envid,
    )


async def _seal_entry(
    core: Core,
    message: Message,
    stored: StoredEnvelope,
    *,
    organization: str,
    batches: Sequence[list[StoredRecipient]],
    direction: str,
) -> Queued:
    """The entry of one organization with a row for each batch."""
    key = await core.keys.organization(organization)
    queue = core.env.new_id()
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
    rows = []
    for number, batch in enumerate(batches):
        if number % YIELD == YIELD - 1:
            await asyncio.sleep(0)
        rows.append(_row(core, key.key, organization, queue, number, batch))
    return Queued(entry, rows)


def _row(
    core: Core,
    key: bytes,
    organization: str,
    queue: int,
    number: int,
    batch: list[StoredRecipient],
) -> NewQueueRecipient:
    local = batch[0].mailbox != 0
    held = core.settings.mailflow.hold_outside and not local
    return NewQueueRecipient(
        n=number,
        route=LOCAL if local else fold_domain(split(batch[0].address)[1]),
        state=HELD if held else WAITING,
        due=core.env.now(),
        sealed=seal_batch(key, organization, queue, number, batch),
    )


def seal_batch(
    key: bytes, organization: str, queue: int, number: int, batch: Sequence[StoredRecipient]
) -> bytes:
    """The recipients of one queue row, sealed for their place."""
    place = sealing.place("queue_rcpt", "sealed", organization, queue, number)
    return sealing.seal(key, encode(list(batch)), place)

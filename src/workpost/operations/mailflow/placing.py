"""From a routed message to what one transaction writes: sealed items, queue rows, events.

Up to `mailflow.direct_recipients` mailboxes are delivered to in the accepting transaction;
everyone else waits in the queue (decisions 6): recipients elsewhere in a row each, those who live
here in rows of up to `BATCH`, sealed together. A recipient appears in exactly one place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, Local
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
    Wish,
    encode,
)
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
NO_WISHES: Mapping[str, Wish] = {}
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
    direct: int | None = None,
    hold_until: int | None = None,
) -> Outgoing:
    """All that one transaction writes of a routed message; `home` queues what goes elsewhere.

    `roles` has, by mailbox, the role of the folder that takes it where that is not the INBOX. Up to
    `direct` mailboxes (the setting, unless it is given) have it at once. With `hold_until`, in
    milliseconds, nobody has it before then, and its sender may take it back.
    """
    most = core.settings.mailflow.direct_recipients if direct is None else direct
    now, waiting = split_direct(routed, message.content.size, most if hold_until is None else 0)
    queued: list[Queued] = []
    if waiting or routed.external:
        queued = await _make_queue(
            core,
            message,
            waiting,
            routed.external,
            home=home,
            direction=direction,
            roles=roles,
            wishes=_wishes_here(message.envelope, routed),
            hold_until=hold_until,
        )
    return Outgoing(message.content, await make_items(core, message, now, roles), queued)


async def _make_queue(
    core: Core,
    message: Message,
    waiting: Sequence[Local],
    external: Sequence[str],
    *,
    home: str,
    direction: str,
    roles: Mapping[int, str],
    wishes: Mapping[str, Wish],
    hold_until: int | None,
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
            wishes=wishes,
            hold_until=hold_until,
        )
        if entry is not None:
            queued.append(entry)
    return queued


def _wishes_here(envelope: Envelope, routed: Expansion) -> Mapping[str, Wish]:
    """What is wanted of people here, by folded recipient; of a group no word about each member."""
    if not envelope.wishes:
        return NO_WISHES
    groups = Counter(one.rcpt for one in routed.local)
    found = {}
    for address, wish in envelope.wishes.items():
        folded = fold(address)
        if groups[folded] > 1 and "SUCCESS" in wish.notify:
            others = tuple(word for word in wish.notify if word != "SUCCESS")
            wish = Wish(others or ("NEVER",), wish.orcpt)
        found[folded] = wish
    return found


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
    wishes: Mapping[str, Wish] = NO_WISHES,
    hold_until: int | None = None,
) -> Queued | None:
    """The queue entry of one organization, or None when nobody waits.

    `wishes` are those about people here, by folded envelope recipient.
    """
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
        body=message.envelope.body,
        requiretls=message.envelope.requiretls,
        ret=message.envelope.ret,
        envid=message.envelope.envid,
        owner=message.envelope.owner,
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
        hold_until=hold_until,
        trace=message.stamped.trace,
    )
    batches = [
        [
            StoredRecipient(
                one.address,
                one.mailbox,
                wishes.get(one.rcpt, NO_WISH),
                roles.get(one.mailbox, INBOX),
            )
            for one in local[start : start + BATCH]
        ]
        for start in range(0, len(local), BATCH)
    ] + [
        [StoredRecipient(address, wish=message.envelope.wishes.get(address, NO_WISH))]
        for address in external
    ]
    rows = []
    for number, batch in enumerate(batches):
        if number % YIELD == YIELD - 1:
            await asyncio.sleep(0)
        due = core.env.now() if hold_until is None else hold_until
        rows.append(_row(core, key.key, organization, queue, number, batch, due))
    return Queued(entry, rows)


def _row(
    core: Core,
    key: bytes,
    organization: str,
    queue: int,
    number: int,
    batch: list[StoredRecipient],
    due: int,
) -> NewQueueRecipient:
    local = batch[0].mailbox != 0
    held = core.settings.mailflow.hold_outside and not local
    return NewQueueRecipient(
        n=number,
        route=LOCAL if local else fold_domain(split(batch[0].address)[1]),
        state=HELD if held else WAITING,
        due=due,
        sealed=seal_batch(key, organization, queue, number, batch),
    )


def seal_batch(
    key: bytes, organization: str, queue: int, number: int, batch: Sequence[StoredRecipient]
) -> bytes:
    """The recipients of one queue row, sealed for their place."""
    place = sealing.place("queue_rcpt", "sealed", organization, queue, number)
    return sealing.seal(key, encode(list(batch)), place)

"""Queue entries: what waits of one message for one organization, sealed for its place.

Recipients elsewhere have a row each, those who live here rows of up to `BATCH`, sealed together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from workpost.domain.messages.delivery import Queued
from workpost.formats.addresses import fold_domain, split
from workpost.formats.mime.summary import Summary
from workpost.operations.mailflow.envelope import (
    Envelope,
    StoredEnvelope,
    StoredRecipient,
    encode,
)
from workpost.operations.mailflow.trace import Stamped
from workpost.store.content.types import Placed
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.queue import HELD, WAITING, NewQueueEntry, NewQueueRecipient
from workpost.store.tables.queue_kinds import LOCAL, gateway_route, rule_route

YIELD = 20
"""Queue rows sealed before the loop gets its turn."""
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
        owner=message.envelope.owner,
        forged=message.envelope.forged,
        claimed=message.envelope.claimed,
    )


def reopen_envelope(stored: StoredEnvelope, recipients: list[str]) -> Envelope:
    """The envelope of a message that goes on from the queue to `recipients`.

    It does not say what they or their sender still wish of it.
    """
    return Envelope(
        sender=stored.sender,
        recipients=recipients,
        smtputf8=stored.smtputf8,
        body=stored.body,
        requiretls=stored.requiretls,
        ret=stored.ret,
        envid=stored.envid,
        forged=stored.forged,
        claimed=stored.claimed,
    )


async def seal_entry(
    core: Core,
    message: Message,
    stored: StoredEnvelope,
    *,
    organization: str,
    batches: Sequence[list[StoredRecipient]],
    direction: str,
    hold_until: int | None,
) -> Queued:
    """The entry of one organization with a row for each batch.

    `hold_until`, in milliseconds, is when it is due, None for now.
    """
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
        hold_until=hold_until,
        trace=message.stamped.trace,
        sender=stored.sender,
    )
    due = core.env.now() if hold_until is None else hold_until
    rows = []
    for number, batch in enumerate(batches):
        if number % YIELD == YIELD - 1:
            await asyncio.sleep(0)
        rows.append(_row(core, key.key, organization, queue, number, batch, due, stored))
    return Queued(entry, rows)


def _route(organization: str, stored: StoredEnvelope, first: StoredRecipient) -> str:
    if stored.held is not None:
        return rule_route(organization, stored.held.function)
    if first.mailbox:
        return LOCAL
    if stored.gateway:
        return gateway_route(organization, stored.gateway)
    return fold_domain(split(first.address)[1])


def _row(
    core: Core,
    key: bytes,
    organization: str,
    queue: int,
    number: int,
    batch: list[StoredRecipient],
    due: int,
    stored: StoredEnvelope,
) -> NewQueueRecipient:
    here = batch[0].mailbox != 0 or stored.held is not None
    held = core.settings.mailflow.hold_outside and not here
    return NewQueueRecipient(
        n=number,
        route=_route(organization, stored, batch[0]),
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

"""Delivery of a routed message: to mailboxes here by their owners' rules, else to the queue."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.domain.directory.routing import Expansion
from workpost.domain.messages.delivery import Outgoing
from workpost.operations.mailflow import confirming, personal, placing
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.personal import Handled, Person
from workpost.operations.mailflow.placing import NO_GATEWAYS
from workpost.store.core import Core

NOBODY: frozenset[int] = frozenset()


class Delivery(msgspec.Struct, frozen=True):
    """What is to be written: `made` as the route says, and what rules make of its deliveries."""

    made: Outgoing
    handled: Handled


async def deliver(
    core: Core,
    message: Message,
    routed: Expansion,
    *,
    home: str,
    direction: str,
    roles: Mapping[int, str],
    gateways: Mapping[str, str] = NO_GATEWAYS,
    hold_until: int | None = None,
    redirects: bool,
    alone: bool = False,
    plain: frozenset[int] = NOBODY,
) -> Delivery:
    """Seal what everybody gets, and apply the rules of those who get it now.

    The queue asks for the rules of the others. `plain` are mailboxes that were found without rules
    just now; all else as for `placing.make_outgoing` and `personal.apply`. Raises KeyDestroyed,
    TryLater.
    """
    made = await placing.make_outgoing(
        core,
        message,
        routed,
        home=home,
        direction=direction,
        roles=roles,
        gateways=gateways,
        hold_until=hold_until,
    )
    people = [
        Person(one.organization, one.mailbox, one.rcpt, one.quota - one.bytes)
        for one in (routed.local if made.deliveries else ())
        if one.mailbox not in plain
    ]
    if not people:
        return Delivery(made, Handled(made.deliveries))
    handled = await personal.apply(
        core,
        message,
        made.deliveries,
        people,
        direction=direction,
        redirects=redirects,
        alone=alone and not made.queued,
    )
    return Delivery(made, handled)


async def confirm(
    core: Core, message: Message, routed: Expansion, delivery: Delivery, home: str
) -> list[Outgoing]:
    """Reports to a sender who asked for them; in his eyes what was rejected is not delivered."""
    if not message.envelope.wishes:
        return []
    made, rejected = delivery.made, delivery.handled.rejected
    if rejected:
        left = [item for item in made.deliveries if item.mailbox not in rejected]
        made = msgspec.structs.replace(made, deliveries=left)
    return await confirming.confirm_delivered(core, message, routed, made, home)

"""Senders who asked to be told of success (NOTIFY=SUCCESS, RFC 3461 4.1), and mail for here.

Who asked about a person hears when the message is in the mailbox; who asked about a group hears
that it went to the members, and of no member by name (RFC 3461 5.2.7).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.directory.routing import Expansion
from workpost.domain.messages.delivery import Outgoing
from workpost.formats.addresses import fold, split
from workpost.operations.mailflow.entries import Message, stored_envelope
from workpost.operations.mailflow.envelope import StoredRecipient, Wish
from workpost.operations.mailflow.reports import DELIVERED, EXPANDED, About, Told, make_report
from workpost.store.core import Core

STATUS = "2.1.5"
IN_MAILBOX = "The message is in the mailbox."
TO_MEMBERS = "The message goes to the members of the group."


async def confirm_delivered(
    core: Core, message: Message, routed: Expansion, made: Outgoing, home: str
) -> list[Outgoing]:
    """Reports on what is delivered with the acceptance itself; they wait in the queue."""
    people: dict[str, list[int]] = {}
    for one in routed.local:
        people.setdefault(one.rcpt, []).append(one.mailbox)
    now = {item.mailbox for item in made.deliveries}
    delivered, expanded = [], []
    for address, wish in message.envelope.wishes.items():
        mailboxes = people.get(fold(address), [])
        if "SUCCESS" not in wish.notify or not mailboxes:
            continue
        if len(mailboxes) > 1:
            expanded.append(_told(address, EXPANDED, TO_MEMBERS, wish))
        elif mailboxes[0] in now:
            delivered.append(_told(address, DELIVERED, IN_MAILBOX, wish))
    if not delivered and not expanded:
        return []
    about = About(
        organization=home,
        envelope=stored_envelope(message),
        raw=message.stamped.raw,
        summary=message.summary,
        arrival=message.received,
    )
    return await _reports(core, about, delivered, expanded)


async def confirm_queued(
    core: Core, about: About, delivered: Sequence[StoredRecipient]
) -> list[Outgoing]:
    """Reports on people whose row of the queue is delivered; they wait in the queue themselves."""
    told = [
        _told(one.address, DELIVERED, IN_MAILBOX, one.wish)
        for one in delivered
        if "SUCCESS" in one.wish.notify
    ]
    return await _reports(core, about, told) if told else []


def _told(address: str, action: str, reason: str, wish: Wish) -> Told:
    return Told(address=address, action=action, status=STATUS, reason=reason, wish=wish)


async def _reports(core: Core, about: About, *groups: Sequence[Told]) -> list[Outgoing]:
    made = []
    for told in groups:
        if told:
            own = msgspec.structs.replace(about, domain=split(told[0].address)[1])
            report, _ = await make_report(core, own, told, direct=0)
            if report is not None:
                made.append(report)
    return made

"""`redirect` of a script (RFC 5228 4.2): as people's forwarding does it, with SRS and ARC.

Bounces and answers of machines are not sent on, nor what this person, or anybody on the way, has
sent on before: that stays here. An address here is delivered to through the queue, with a
Delivered-To on top, by which a circle is known.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion, Forward
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing, Queued
from workpost.domain.messages.shell import summary_of
from workpost.formats.addresses import fold
from workpost.operations.mailflow import forwarding, placing
from workpost.operations.mailflow.automatic import Letter
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.scripted import Mailbox
from workpost.operations.mailflow.trace import Stamped
from workpost.store.core import Core


class Redirected(msgspec.Struct, frozen=True):
    """Rows of the same content, other contents, and what counts as forwarded.

    `keep`: the address leads back here, too, as a group's does whose member the owner is.
    """

    queued: list[Queued]
    also: list[Outgoing]
    forwards: list[Forward]
    keep: bool


async def redirect(
    core: Core, message: Message, letter: Letter, mailbox: Mailbox, address: str, direction: str
) -> Redirected | None:
    """Send a message on; None when it has to stay here."""
    owner = mailbox.owner
    # The whole header: a script may have added as much as would hide the marks from others.
    header = message.stamped.raw[: message.summary.header_end].lower()
    passed = forwarding.passed(header)
    answers = not letter.sender or forwarding.is_answer(header)
    if answers or fold(owner.address) in passed or fold(address) in owner.folds:
        return None
    routed = await expand_envelope(core, [address], Origin(passed=passed | {fold(owner.address)}))
    people = [one for one in routed.local if one.mailbox != owner.mailbox]
    forwards = [
        *routed.forwards,
        *(
            Forward(owner.organization, owner.entity, address, owner.address, mailbox.rcpt, True)
            for _ in routed.external
        ),
    ]
    if not people and not forwards:
        return None
    elsewhere = await placing.make_outgoing(
        core,
        message,
        Expansion([], [], [], [], forwards=forwards),
        home=owner.organization,
        direction=direction,
    )
    also = []
    if people:
        own = await _marked(core, message, owner.address, address)
        here = Expansion(people, [], [], [])
        also.append(
            await placing.make_outgoing(
                core, own, here, home=owner.organization, direction=direction, direct=0
            )
        )
    keep = len(people) < len(routed.local)
    return Redirected(elsewhere.queued, also, forwards, keep)


async def _marked(core: Core, message: Message, by: str, address: str) -> Message:
    """The message with a Delivered-To on top, as a content of its own."""
    raw, skip = message.stamped.raw, message.stamped.skip
    mark = f"Delivered-To: {by}\r\n".encode()
    stamped = Stamped(message.stamped.trace, raw[:skip] + mark + raw[skip:], skip)
    envelope = msgspec.structs.replace(message.envelope, recipients=[address], wishes={})
    return await placing.place(core, envelope, stamped, await summary_of(stamped.raw))

"""`reject` and `ereject` (RFC 5429): in SMTP where nobody else is to get the message, else by mail.

`ereject` then sends a delivery report, `reject` a disposition notification with the exact text.
Neither is sent to machines, so that no forged sender of bulk mail hears of it.
"""

from __future__ import annotations

from workpost.formats.mime.answer import compose_refusal
from workpost.formats.sieve.actions import Reject
from workpost.operations.mailflow import automatic, reports
from workpost.operations.mailflow.automatic import Letter, Sent
from workpost.operations.mailflow.entries import Message, stored_envelope
from workpost.operations.mailflow.reports import FAILED, About, Told
from workpost.operations.mailflow.scripted import Mailbox
from workpost.store.core import Core

STATUS = "5.7.1"
MAX_REPLY = 200


def fits_smtp(reason: str) -> bool:
    """Whether a reply can say the reason whole: one line of ASCII (RFC 5429 2.1.1)."""
    return len(reason) <= MAX_REPLY and all(" " <= char <= "~" for char in reason.strip())


def reply(reason: str) -> str:
    """The text of the reply."""
    return reason.strip() or "The recipient refuses the message"


async def refuse(
    core: Core, message: Message, letter: Letter, mailbox: Mailbox, action: Reject
) -> Sent | None:
    """Tell the sender by mail; None for machines, forged senders, and those who are nobody."""
    owner = mailbox.owner
    if letter.is_automatic or letter.is_forged:
        return None
    if action.during:
        about = About(
            organization=owner.organization,
            envelope=stored_envelope(message),
            raw=message.stamped.raw,
            summary=message.summary,
            arrival=message.received,
        )
        told = Told(
            address=owner.address, action=FAILED, status=STATUS, reason=reply(action.reason)
        )
        report, _ = await reports.make_report(core, about, [told], direct=0)
        return Sent(report, [], []) if report is not None else None
    routed = await automatic.route(core, [letter.sender])
    if routed is None:
        return None
    try:
        raw = compose_refusal(
            from_=(owner.name, owner.address),
            to=letter.sender,
            subject=f"Rejected: {message.summary.subject[:100]}",
            epoch=core.env.now() / 1000,
            message_id=automatic.new_id(core),
            text=f"Your message was refused by {owner.address}. The reason:\n\n{action.reason}\n",
            reporting=core.settings.host_name,
            recipient=owner.address,
            original_id=message.summary.message_id,
        )
    except ValueError:
        return None
    return await automatic.make(
        core, owner.organization, [letter.sender], routed, raw, because=message
    )

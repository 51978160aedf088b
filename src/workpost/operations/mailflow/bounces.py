"""Recipients given up: an event for each, and a delivery report to a sender who lives here.

The report (RFC 3464) comes from the null sender and is routed like other mail, within the
transaction that ends the recipients, so it is sent exactly once. There is none for mail from the
null sender, and none when the sender's address leads to nobody. A sender elsewhere hears nothing:
reports that leave this server belong to outbound delivery, which is not here; the event says so.
A report that waits for a full mailbox is itself given up after a day, with an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.errors import MessageError

import msgspec

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.formats.mime.compose import compose_report
from workpost.formats.mime.summary import Summary
from workpost.kernel.logging import logger
from workpost.operations.mailflow import placing, trace
from workpost.operations.mailflow.envelope import Envelope, StoredEnvelope
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

BOUNCED = "INCOMING_EMAIL_BOUNCED"
MAX_HEADER = 32 * 1024
"""Bytes of the original header that a report shows."""

SENT = "sent"
NULL_SENDER = "none: the message came from the null sender"
OUTSIDE = "none: the sender is elsewhere"
NOBODY = "none: the sender's address leads to nobody"
UNFIT = "none: the sender's address fits in no report"

log = logger("mailflow")


class GivenUp(msgspec.Struct, frozen=True):
    """One recipient who will not get the message; `status` is of RFC 3463."""

    address: str
    status: str
    reason: str


async def give_up(
    core: Core,
    organization: str,
    envelope: StoredEnvelope,
    raw: bytes,
    summary: Summary,
    given_up: Sequence[GivenUp],
) -> tuple[Outgoing | None, list[NewEvent]]:
    """The report about recipients given up, if there is to be one, and the events of them all."""
    if not given_up:
        return None, []
    report, outcome = await _report(core, organization, envelope, raw, summary, given_up)
    log.info("recipients were given up", trace=envelope.trace, count=len(given_up), report=outcome)
    events = [
        await trace.seal_event(
            core,
            organization,
            BOUNCED,
            {
                "traceId": envelope.trace,
                "from": envelope.sender,
                "messageId": summary.message_id,
                "subject": summary.subject[:256],
                "bouncedRecipient": {
                    "emailAddress": one.address,
                    "status": one.status,
                    "reason": one.reason,
                },
                "report": outcome,
            },
        )
        for one in given_up
    ]
    return report, events


async def _report(
    core: Core,
    organization: str,
    envelope: StoredEnvelope,
    raw: bytes,
    summary: Summary,
    given_up: Sequence[GivenUp],
) -> tuple[Outgoing | None, str]:
    if not envelope.sender:
        return None, NULL_SENDER
    origin = Origin(trusted=True, automatic=True)
    routed = await expand_envelope(core, [envelope.sender], origin)
    if routed.external or routed.forwards:
        return None, OUTSIDE
    if not routed.local:
        return None, NOBODY
    header = raw[envelope.skip : summary.header_end][:MAX_HEADER]
    try:
        text = _compose(core, envelope.sender, header, given_up)
    except (ValueError, MessageError):
        return None, UNFIT
    route = Envelope(sender="", recipients=[envelope.sender], helo=core.settings.host_name)
    stamped = trace.stamp(core, route, text)
    message = await placing.place(core, route, stamped, await summary_of(stamped.raw))
    made = await placing.make_outgoing(
        core, message, routed, home=organization, direction="incoming"
    )
    return made, SENT


def _compose(core: Core, sender: str, header: bytes, given_up: Sequence[GivenUp]) -> bytes:
    host = core.settings.host_name
    lines = "\n".join(f"  {one.address}: {one.reason}" for one in given_up)
    return compose_report(
        from_=("Mail delivery", f"postmaster@{host}"),
        to=sender,
        subject="Your message was not delivered",
        epoch=core.env.now() / 1000,
        message_id=f"{core.env.new_id():016x}@{host}",
        text=f"Your message could not be delivered to:\n\n{lines}\n\nIt will not be tried again.\n",
        reporting_mta=host,
        recipients=[(one.address, "failed", one.status, "") for one in given_up],
        original_header=header,
    )

"""Local recipients given up: an event for each, and a report to the sender.

Each who is given up has an event; what senders hear of it, `reports.py` decides and makes. A report
that waits for a full mailbox is itself given up after a day, with an event and without another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.messages.delivery import Outgoing
from workpost.formats.addresses import split
from workpost.kernel.logging import logger
from workpost.operations.mailflow import reports, trace
from workpost.operations.mailflow.envelope import NO_WISH, Wish
from workpost.operations.mailflow.reports import FAILED, About, Told
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

BOUNCED = "INCOMING_EMAIL_BOUNCED"

log = logger("mailflow")


class GivenUp(msgspec.Struct, frozen=True):
    """One recipient who will not get the message; `status` is of RFC 3463."""

    address: str
    status: str
    reason: str
    wish: Wish = NO_WISH


async def give_up(
    core: Core, about: About, given_up: Sequence[GivenUp], *, direct: int | None = None
) -> tuple[Outgoing | None, list[NewEvent]]:
    """The report about recipients given up, if there is to be one, and the events of them all.

    `direct`: see `placing.make_outgoing`.
    """
    if not given_up:
        return None, []
    told = [
        Told(
            address=one.address,
            action=FAILED,
            status=one.status,
            reason=one.reason,
            wish=one.wish,
        )
        for one in given_up
    ]
    about = msgspec.structs.replace(about, domain=split(given_up[0].address)[1])
    report, outcome = await reports.make_report(core, about, told, direct=direct)
    log.info("recipients were given up", trace=about.envelope.trace, count=len(given_up))
    return report, await seal_bounces(core, BOUNCED, about, told, outcome)


async def seal_bounces(
    core: Core, kind: str, about: About, told: Sequence[Told], outcome: Mapping[str, str]
) -> list[NewEvent]:
    """An event for each recipient that did not get a message, or not yet."""
    events = []
    for one in told:
        recipient = {"emailAddress": one.address, "status": one.status, "reason": one.reason}
        if one.reply:
            recipient |= {"reply": one.reply, "host": one.host}
        story = {
            "traceId": about.envelope.trace,
            "from": about.envelope.sender,
            "messageId": about.summary.message_id,
            "subject": about.summary.subject[:256],
            "bouncedRecipient": recipient,
            "report": outcome[one.address],
        }
        events.append(await trace.seal_event(core, about.organization, kind, story))
    return events

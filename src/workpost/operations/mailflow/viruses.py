"""What follows from a virus: the message is refused, and the organizations' events tell of it."""

from __future__ import annotations

from collections.abc import Sequence

from workpost.domain.messages import delivery
from workpost.kernel import metrics
from workpost.kernel.errors import MessageRefused, TryLater
from workpost.operations.filtering.verdicts import FAIL, PROCESSING_FAILED
from workpost.operations.mailflow import trace
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core

REFUSED = "EMAIL_VIRUS_REFUSED"

_UNSCANNED = metrics.counter(
    "workpost_virus_unscanned_total",
    "Messages taken though they could not be looked at for viruses.",
    "direction",
)


async def check(
    core: Core,
    envelope: Envelope,
    verdict: str,
    name: str,
    organizations: Sequence[str],
    actor: str = "",
) -> None:
    """Raise MessageRefused for a message with a virus, after the event is written.

    Raises TryLater where it could not be looked at and `filter.virus_fail` is `defer`; else that is
    counted, and told by its event and, where it comes from outside, its header.
    """
    if verdict == PROCESSING_FAILED:
        if core.settings.filter.virus_fail == "defer":
            raise TryLater("Messages cannot be looked at for viruses now.")
        _UNSCANNED.labels("outgoing" if actor else "incoming").inc()
    if verdict != FAIL:
        return
    told = {
        "from": envelope.sender,
        "peer": envelope.peer,
        "actor": actor,
        "virusVerdict": verdict,
        "virus": name,
    }
    events = []
    for organization in organizations:
        recipients: Sequence[str] = envelope.recipients
        if not actor:
            recipients = await trace.own_recipients(core, organization, recipients)
        story = {**told, "recipients": recipients}
        events.append(await trace.seal_event(core, organization, REFUSED, story))
    await core.store.write(delivery.record, events=events)
    raise MessageRefused(f"The message contains a virus: {name}.")

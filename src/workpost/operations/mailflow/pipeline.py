"""The life of a message until somebody answers for it, from top to bottom.

    hops -> stamp -> summarize -> may the sender? -> place the content -> route -> seal -> one write

`submit` is for people who logged in, `receive` for other servers. Both return the trace id after
the commit that makes the message durable; whoever calls then says 250.
"""

from __future__ import annotations

import msgspec

from workpost.domain.access import shell as access
from workpost.domain.directory.routing import Expansion
from workpost.domain.directory.sending_limits import Standing
from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Charge, Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.kernel.errors import (
    LimitExceeded,
    MailboxNotFound,
    MessageTooLarge,
    QuotaExceeded,
    StaleGrant,
    TryLater,
    UnknownRecipient,
)
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import charging, placing, routes, senders, trace
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.placing import Message
from workpost.operations.mailflow.routes import Results
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

SUBMITTED = "OUTGOING_EMAIL_SUBMITTED"
RECEIVED = "ORGANIZATION_EMAIL_RECEIVED"

ATTEMPTS = 4
"""How often routing is repeated when a mailbox fills up or access changes under our hands."""


async def submit(
    core: Core, grant: Grant, envelope: Envelope, raw: bytes, route: Expansion | None = None
) -> str:
    """Accept a message from someone who logged in; returns its trace id.

    `route` is where it goes, if that is known already (`recipients.remembered`). Raises
    SenderNotAllowed, UnknownRecipient, MessageTooLarge, TooManyRecipients, InvalidParameter,
    MailLoop, LimitExceeded, TryLater, AuthenticationFailed when access was withdrawn meanwhile.
    """
    stamped = _stamp(core, envelope, raw)
    summary = await summary_of(stamped.raw)
    await senders.check_header(core, grant, summary, stamped.raw)
    standing = await charging.standing_of(core, grant, envelope.sender)
    charging.check_outgoing(core, standing, raw, summary, envelope.recipients)
    message = await placing.place(core, envelope, stamped, summary)
    forwards = True
    for _ in range(ATTEMPTS):
        routed, route = route or await _route(core, grant, message, forwards), None
        try:
            return await _send(core, grant, standing, message, routed)
        except StaleGrant:
            grant = await access.renew(core, grant)
            await senders.check_sender(core, grant, envelope.sender)
            await senders.check_header(core, grant, summary, stamped.raw)
            standing = await charging.standing_of(core, grant, envelope.sender)
            charging.check_outgoing(core, standing, raw, summary, envelope.recipients)
        except LimitExceeded:
            if not forwards or not any(one.by for one in routed.forwards):
                raise
            # Who forwards has sent enough today, and keeps the message here.
            forwards = False
        except (QuotaExceeded, MailboxNotFound):
            continue
    raise TryLater("The recipients' mailboxes keep changing.")


async def receive(
    core: Core, envelope: Envelope, raw: bytes, route: Expansion | None = None
) -> str:
    """Accept a message from another server for recipients who live here; returns its trace id.

    `route` as for `submit`. Raises UnknownRecipient when nobody is left, SenderNotAllowed when only
    groups are that take no mail from outside, MessageTooLarge, InvalidParameter for too many
    attachments, MailLoop, TryLater.
    """
    stamped = _stamp(core, envelope, raw)
    summary = await summary_of(stamped.raw)
    charging.check_attachments(summary, core.settings.limits.attachments)
    message = await placing.place(core, envelope, stamped, summary)
    forwards = True
    for _ in range(ATTEMPTS):
        routed, route = route or await _route(core, None, message, forwards), None
        try:
            return await _take_in(core, message, routed)
        except LimitExceeded:
            if not forwards or not any(one.by for one in routed.forwards):
                raise
            # Who forwards has sent enough today, and keeps the message here.
            forwards = False
        except (QuotaExceeded, MailboxNotFound):
            continue
    raise TryLater("The recipients' mailboxes keep changing.")


def _stamp(core: Core, envelope: Envelope, raw: bytes) -> trace.Stamped:
    if len(raw) > core.settings.limits.message_bytes:
        raise MessageTooLarge("The message is larger than this server accepts.")
    routes.check_hops(core, raw)
    return trace.stamp(core, envelope, raw)


async def _route(core: Core, grant: Grant | None, message: Message, forwards: bool) -> Expansion:
    header = message.stamped.raw[: message.summary.header_end]
    origin = routes.origin_of(grant, message.envelope, header)
    if not forwards:
        origin = msgspec.structs.replace(origin, automatic=True)
    return await routes.route(core, message.envelope, origin)


async def _send(
    core: Core, grant: Grant, standing: Standing, message: Message, routed: Expansion
) -> str:
    """Write a routed submission."""
    home = grant.organization
    named = len(message.envelope.recipients)
    charges = await charging.charges_for(core, grant, standing, routed, named)
    also, events = await routes.reports(core, home, message, routed, inside=True)
    results = routes.results_of(routed, home, sent=True)
    events.append(await _event(core, home, SUBMITTED, message, results, grant.entity))
    made = await placing.make_outgoing(core, message, routed, home=home, direction="outgoing")
    return await _write(core, grant, message, made, events, charges, also)


async def _take_in(core: Core, message: Message, routed: Expansion) -> str:
    """Write a routed message from outside. Raises UnknownRecipient when it concerns nobody."""
    organizations = await routes.organizations_of(core, routed)
    if not organizations:
        raise UnknownRecipient("No recipient of this message lives here any more.")
    home = organizations[0]
    charges = await charging.charges_for(core, None, None, routed, 0)
    also, events = await routes.reports(core, home, message, routed, inside=False)
    for organization in organizations:
        results = routes.results_of(routed, organization, sent=False)
        events.append(await _event(core, organization, RECEIVED, message, results, ""))
    made = await placing.make_outgoing(core, message, routed, home=home, direction="incoming")
    return await _write(core, None, message, made, events, charges, also)


async def _event(
    core: Core, organization: str, kind: str, message: Message, results: Results, actor: str
) -> NewEvent:
    return await trace.make_event(
        core,
        organization,
        kind,
        message.stamped,
        message.envelope,
        message.summary,
        actor,
        results=results,
    )


async def _write(
    core: Core,
    grant: Grant | None,
    message: Message,
    made: Outgoing,
    events: list[NewEvent],
    charges: list[Charge],
    also: list[Outgoing],
) -> str:
    await core.store.write(
        delivery.deliver,
        grant=grant,
        content=made.content,
        deliveries=made.deliveries,
        queued=made.queued,
        events=events,
        charges=charges,
        also=also,
    )
    return message.stamped.trace

"""The life of a message until somebody answers for it, from top to bottom.

    submit:  scan -> stamp -> summarize -> may the sender? -> place -> route -> seal -> one write
    receive: authenticate -> route -> scan -> stamp -> summarize -> enforce -> place -> seal
             -> one write

`submit` is for people who logged in, `receive` for other servers. Both return the trace id after
the commit that makes the message durable; whoever calls then says 250.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import msgspec

from workpost.domain.access import shell as access
from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion, lookup_address
from workpost.domain.messages import delivery
from workpost.domain.messages.shell import summary_of
from workpost.formats.addresses import fold
from workpost.kernel.errors import (
    MailboxNotFound,
    MessageRefused,
    MessageTooLarge,
    QuotaExceeded,
    StaleGrant,
    TryLater,
    UnknownRecipient,
)
from workpost.kernel.principal import Grant
from workpost.operations.authentication.check import authenticate, is_from_outside
from workpost.operations.filtering.scan import scan, scan_virus
from workpost.operations.filtering.verdicts import FAIL, Scan
from workpost.operations.mailflow import confirming, enforcing, placing, senders, trace, viruses
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.placing import Message
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent
from workpost.store.tables.folders import JUNK

SUBMITTED = "OUTGOING_EMAIL_SUBMITTED"
RECEIVED = "ORGANIZATION_EMAIL_RECEIVED"

ATTEMPTS = 4
"""How often routing is repeated when a mailbox fills up or access changes under our hands."""


STALE = 1.0
"""Seconds of authentication and scanning after which the route is asked for again."""


async def submit(
    core: Core,
    grant: Grant,
    envelope: Envelope,
    raw: bytes,
    route: Expansion | None = None,
    hold_until: int | None = None,
) -> str:
    """Accept a message from someone who logged in; returns its trace id.

    `route` is where it goes, if that is known already (`recipients.remembered`). Until `hold_until`
    (milliseconds) nobody gets it, and `orders.take_back` undoes it. Raises
    SenderNotAllowed, UnknownRecipient, MessageTooLarge, TryLater, AuthenticationFailed when
    access was withdrawn meanwhile, MessageRefused for a virus.
    """
    if hold_until is not None:
        envelope = msgspec.structs.replace(envelope, owner=owner_of(grant))
    _check_size(core, raw)
    virus, name = await scan_virus(core, raw)
    await viruses.check(core, envelope, virus, name, [grant.organization], grant.entity)
    stamped = trace.stamp(core, envelope, raw)
    summary = await summary_of(stamped.raw)
    await senders.check_header(core, grant, summary, stamped.raw)
    message = await placing.place(core, envelope, stamped, summary)
    for _ in range(ATTEMPTS):
        routed, route = route or await _route(core, envelope), None
        events = [await _event(core, grant.organization, SUBMITTED, message, routed, grant.entity)]
        try:
            return await _write(
                core, grant, grant.organization, message, routed, events, hold_until=hold_until
            )
        except StaleGrant:
            grant = await access.renew(core, grant)
            await senders.check_sender(core, grant, envelope.sender)
            await senders.check_header(core, grant, summary, stamped.raw)
        except (QuotaExceeded, MailboxNotFound):
            continue
    raise TryLater("The recipients' mailboxes keep changing.")


async def receive(
    core: Core, envelope: Envelope, raw: bytes, route: Expansion | None = None
) -> str:
    """Accept a message from another server for recipients who live here; returns its trace id.

    `route` as for `submit`. Raises UnknownRecipient when nobody is left, MessageTooLarge,
    MessageRefused, TryLater.
    """
    _check_size(core, raw)
    began = core.env.monotonic()
    authentication = None
    if is_from_outside(core, envelope):
        authentication = await authenticate(core, envelope, raw)
    routed = route or await _route(core, envelope)
    organizations = await _organizations(core, routed)
    scanned = await scan(core, envelope, raw, authentication, organizations)
    await viruses.check(core, envelope, scanned.virus, scanned.name, organizations)
    stamped = trace.stamp(core, envelope, raw, authentication, scanned.fields)
    summary = await summary_of(stamped.raw)
    message: Message | None = None
    again = core.env.monotonic() - began > STALE
    for _ in range(ATTEMPTS):
        if again:
            routed = await _route(core, envelope)
            organizations = await _organizations(core, routed)
        if not organizations:
            raise UnknownRecipient("No recipient of this message lives here any more.")
        enforcement = await enforcing.enforce(core, authentication, organizations)
        events = [
            await trace.make_event(
                core, one, enforcing.APPLIED, stamped, envelope, summary, "", more=enforcement.story
            )
            for one in enforcement.enforced
        ]
        if enforcement.refused:
            await core.store.write(delivery.record, events=events)
            raise MessageRefused(enforcement.refused)
        message = message or await placing.place(core, envelope, stamped, summary)
        told = enforcing.verdicts(authentication)
        events = [
            await _event(core, one, RECEIVED, message, routed, "", {**told, **scanned.story(one)})
            for one in organizations
        ] + events
        left = [one for one in organizations if one not in enforcement.dropped]
        kept = enforcement.keep(routed, left)
        home = (left or organizations)[0]
        roles = {**_junk(scanned, kept), **enforcement.roles(kept)}
        try:
            return await _write(core, None, home, message, kept, events, roles=roles)
        except (QuotaExceeded, MailboxNotFound):
            again = True
    raise TryLater("The recipients' mailboxes keep changing.")


def owner_of(grant: Grant) -> str:
    """Who may take a message back that the holder of this grant submitted."""
    return f"{grant.organization}/{grant.entity}"


def _check_size(core: Core, raw: bytes) -> None:
    if len(raw) > core.settings.limits.message_bytes:
        raise MessageTooLarge("The message is larger than this server accepts.")


def _junk(scanned: Scan, routed: Expansion) -> dict[int, str]:
    """The mailboxes whose Junk E-mail takes the message."""
    return {one.mailbox: JUNK for one in routed.local if scanned.spam.get(one.organization) == FAIL}


async def _route(core: Core, envelope: Envelope) -> Expansion:
    """Where the message goes; who went away since RCPT TO is refused only when nobody is left."""
    routed = await expand_envelope(core, [fold(address) for address in envelope.recipients])
    if routed.unknown and not (routed.local or routed.external or routed.empty):
        raise UnknownRecipient(f"Nobody here receives mail as <{routed.unknown[0]}>.")
    return routed


async def _organizations(core: Core, routed: Expansion) -> list[str]:
    """The organizations that a message from outside concerns, empty groups' among them."""
    concerned = {one.organization for one in routed.local}
    for group in routed.empty:
        holder = await core.store.read(lookup_address, addr_fold=group)
        if holder is not None:
            concerned.add(holder.org)
    return sorted(concerned)


def _event(
    core: Core,
    organization: str,
    kind: str,
    message: Message,
    routed: Expansion,
    actor: str,
    more: Mapping[str, object] = trace.NOTHING,
) -> Awaitable[NewEvent]:
    return trace.make_event(
        core,
        organization,
        kind,
        message.stamped,
        message.envelope,
        message.summary,
        actor,
        unknown=routed.unknown,
        more=more,
    )


async def _write(
    core: Core,
    grant: Grant | None,
    home: str,
    message: Message,
    routed: Expansion,
    events: list[NewEvent],
    *,
    roles: Mapping[int, str] = placing.NO_ROLES,
    hold_until: int | None = None,
) -> str:
    direction = "outgoing" if grant is not None else "incoming"
    made = await placing.make_outgoing(
        core,
        message,
        routed,
        home=home,
        direction=direction,
        roles=roles,
        hold_until=hold_until,
    )
    reports = []
    if message.envelope.wishes:
        reports = await confirming.confirm_delivered(core, message, routed, made, home)
    await core.store.write(
        delivery.deliver,
        grant=grant,
        content=made.content,
        deliveries=made.deliveries,
        queued=made.queued,
        events=events,
        reports=reports,
    )
    return message.stamped.trace

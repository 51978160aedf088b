"""The life of a message until somebody answers for it, from top to bottom.

    submit:  size, hops -> scan -> stamp -> summarize -> may the sender? -> limits -> place ->
             route -> charge, seal -> one write
    receive: size, hops -> authenticate -> route -> scan -> stamp -> summarize -> enforce -> place
             -> charge, seal -> one write

`submit` is for people who logged in, `receive` for other servers. Both return the trace id after
the commit that makes the message durable; whoever calls then says 250.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    MessageRefused,
    MessageTooLarge,
    QuotaExceeded,
    StaleGrant,
    TryLater,
    UnknownRecipient,
)
from workpost.kernel.principal import Grant
from workpost.operations.authentication.check import authenticate, is_forged, is_from_outside
from workpost.operations.filtering.scan import scan, scan_virus
from workpost.operations.filtering.verdicts import FAIL, Scan
from workpost.operations.mailflow import (
    charging,
    confirming,
    enforcing,
    placing,
    routes,
    senders,
    trace,
    viruses,
)
from workpost.operations.mailflow.enforcing import Enforcement
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.routes import Results
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
    *,
    hold_until: int | None = None,
) -> str:
    """Accept a message from someone who logged in; returns its trace id.

    `route` is where it goes, if that is known already (`recipients.remembered`). Until `hold_until`
    (milliseconds) nobody gets it, and `orders.take_back` undoes it. Raises SenderNotAllowed,
    UnknownRecipient, MessageTooLarge, TooManyRecipients, InvalidParameter, MailLoop, LimitExceeded,
    TryLater, AuthenticationFailed when access was withdrawn meanwhile, MessageRefused for a virus.
    """
    if hold_until is not None:
        envelope = msgspec.structs.replace(envelope, owner=owner_of(grant))
    _check(core, raw)
    virus, name = await scan_virus(core, raw)
    await viruses.check(core, envelope, virus, name, [grant.organization], grant.entity)
    stamped = trace.stamp(core, envelope, raw)
    summary = await summary_of(stamped.raw)
    await senders.check_header(core, grant, summary, stamped.raw)
    standing = await charging.standing_of(core, grant, envelope.sender)
    charging.check_outgoing(core, standing, raw, summary, envelope.recipients)
    message = await placing.place(core, envelope, stamped, summary)
    forwards = True
    for _ in range(ATTEMPTS):
        if route is None:
            route = await _route(core, grant, envelope, raw, forwards)
        routed, route = route, None
        try:
            return await _send(core, grant, standing, message, routed, hold_until)
        except StaleGrant:
            grant = await access.renew(core, grant)
            await senders.check_sender(core, grant, envelope.sender)
            await senders.check_header(core, grant, summary, stamped.raw)
            standing = await charging.standing_of(core, grant, envelope.sender)
            charging.check_outgoing(core, standing, raw, summary, envelope.recipients)
        except LimitExceeded:
            if not forwards or not _is_forwarded(routed):
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
    attachments, MailLoop, MessageRefused, TryLater.
    """
    _check(core, raw)
    began = core.env.monotonic()
    authentication = None
    if is_from_outside(core, envelope):
        authentication = await authenticate(core, envelope, raw)
        envelope = msgspec.structs.replace(envelope, forged=is_forged(authentication))
    routed = route or await _route(core, None, envelope, raw, True)
    organizations = routes.organizations_of(routed)
    scanned = await scan(core, envelope, raw, authentication, organizations)
    await viruses.check(core, envelope, scanned.virus, scanned.name, organizations)
    stamped = trace.stamp(core, envelope, raw, authentication, scanned.fields)
    summary = await summary_of(stamped.raw)
    charging.check_attachments(summary, core.settings.limits.attachments)
    told = enforcing.verdicts(authentication)
    message: Message | None = None
    forwards = True
    keepers: frozenset[str] = frozenset()
    again = core.env.monotonic() - began > STALE
    for _ in range(ATTEMPTS):
        if again:
            routed = await _route(core, None, envelope, raw, forwards, keepers)
            organizations = routes.organizations_of(routed)
        again = True
        if not organizations:
            raise UnknownRecipient("No recipient of this message lives here any more.")
        enforcement = await enforcing.enforce(core, authentication, organizations)
        junked = enforcement.junked | scanned.junked
        if any(one.by and one.organization in junked for one in routed.forwards):
            keepers |= junked
            continue
        applied = [
            await trace.make_event(
                core, one, enforcing.APPLIED, stamped, envelope, summary, "", more=enforcement.story
            )
            for one in enforcement.enforced
        ]
        if enforcement.refused:
            await core.store.write(delivery.record, events=applied)
            raise MessageRefused(enforcement.refused)
        message = message or await placing.place(core, envelope, stamped, summary)
        arrival = Arrival(routed, organizations, enforcement, scanned, told, applied)
        try:
            return await _take_in(core, message, arrival)
        except LimitExceeded:
            if not forwards or not _is_forwarded(routed):
                raise
            # Who forwards has sent enough today, and keeps the message here.
            forwards = False
        except (QuotaExceeded, MailboxNotFound):
            continue
    raise TryLater("The recipients' mailboxes keep changing.")


class Arrival(msgspec.Struct, frozen=True):
    """What is known of a message from outside when it is about to be written."""

    routed: Expansion
    organizations: list[str]
    enforcement: Enforcement
    scanned: Scan
    told: Mapping[str, object]
    applied: list[NewEvent]


def owner_of(grant: Grant) -> str:
    """Who may take a message back that the holder of this grant submitted."""
    return f"{grant.organization}/{grant.entity}"


def _check(core: Core, raw: bytes) -> None:
    if len(raw) > core.settings.limits.message_bytes:
        raise MessageTooLarge("The message is larger than this server accepts.")
    routes.check_hops(core, raw)


def _is_forwarded(routed: Expansion) -> bool:
    """Whether people forward the message who could keep it here instead."""
    return any(one.by for one in routed.forwards)


async def _route(
    core: Core,
    grant: Grant | None,
    envelope: Envelope,
    raw: bytes,
    forwards: bool,
    keepers: frozenset[str] = frozenset(),
) -> Expansion:
    origin = msgspec.structs.replace(routes.origin_of(grant, envelope, raw), keepers=keepers)
    if not forwards:
        origin = msgspec.structs.replace(origin, automatic=True)
    return await routes.route(core, envelope, origin)


async def _send(
    core: Core,
    grant: Grant,
    standing: Standing,
    message: Message,
    routed: Expansion,
    hold_until: int | None,
) -> str:
    """Write a routed submission."""
    home = grant.organization
    named = len(message.envelope.recipients)
    charges = await charging.charges_for(core, grant, standing, routed, named)
    also, events = await routes.reports(core, home, message, routed, inside=True)
    results = routes.results_of(routed, home, sent=True)
    events.append(await _event(core, home, SUBMITTED, message, results, grant.entity))
    made = await placing.make_outgoing(
        core, message, routed, home=home, direction="outgoing", hold_until=hold_until
    )
    also += await _confirmations(core, message, routed, made, home)
    return await _write(core, grant, message, made, events, charges, also)


async def _take_in(core: Core, message: Message, arrival: Arrival) -> str:
    """Write a routed message from outside, for those whom its authentication leaves."""
    routed, enforcement, scanned = arrival.routed, arrival.enforcement, arrival.scanned
    left = [one for one in arrival.organizations if one not in enforcement.dropped]
    home = (left or arrival.organizations)[0]
    also, events = await routes.reports(core, home, message, routed, inside=False)
    kept = enforcement.keep(routed, left)
    for one in arrival.organizations:
        results = routes.results_of(kept, one, sent=False)
        more = {**arrival.told, **scanned.story(one)}
        events.append(await _event(core, one, RECEIVED, message, results, "", more))
    events += arrival.applied
    charges = await charging.charges_for(core, None, None, kept, 0)
    roles = {**_junk(scanned, kept), **enforcement.roles(kept)}
    made = await placing.make_outgoing(
        core, message, kept, home=home, direction="incoming", roles=roles
    )
    also += await _confirmations(core, message, kept, made, home)
    return await _write(core, None, message, made, events, charges, also)


def _junk(scanned: Scan, routed: Expansion) -> dict[int, str]:
    """The mailboxes whose Junk E-mail takes the message."""
    return {one.mailbox: JUNK for one in routed.local if scanned.spam.get(one.organization) == FAIL}


async def _confirmations(
    core: Core, message: Message, routed: Expansion, made: Outgoing, home: str
) -> list[Outgoing]:
    if not message.envelope.wishes:
        return []
    return await confirming.confirm_delivered(core, message, routed, made, home)


async def _event(
    core: Core,
    organization: str,
    kind: str,
    message: Message,
    results: Results,
    actor: str,
    more: Mapping[str, object] = trace.NOTHING,
) -> NewEvent:
    return await trace.make_event(
        core,
        organization,
        kind,
        message.stamped,
        message.envelope,
        message.summary,
        actor,
        more={"results": results, **more},
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

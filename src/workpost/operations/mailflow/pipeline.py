"""The life of a message until somebody answers for it, from top to bottom.

    submit:  size, hops -> scan -> stamp -> summarize -> may the sender? -> limits -> place ->
             route -> flow rules -> journal -> charge, seal -> personal rules -> one write
    receive: size, hops -> authenticate -> route -> scan -> stamp -> summarize -> enforce ->
             flow rules -> place -> journal -> charge, seal -> personal rules -> one write

`submit` is for people who logged in, `receive` for other servers. Both return the trace id after
the commit that makes the message durable; whoever calls then says 250.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.domain.access import shell as access
from workpost.domain.directory.routing import Expansion
from workpost.domain.directory.sending_limits import Standing
from workpost.domain.directory.walking import Origin
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
from workpost.operations.filtering.verdicts import Scan
from workpost.operations.mailflow import (
    arrivals,
    charging,
    confirming,
    enforcing,
    forwarding,
    journaling,
    personal,
    placing,
    routes,
    ruling,
    senders,
    trace,
    viruses,
)
from workpost.operations.mailflow.counting import count
from workpost.operations.mailflow.enforcing import Enforcement
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.personal import Handled, Person
from workpost.operations.mailflow.routes import Results
from workpost.operations.mailflow.ruling import Ruled
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

SUBMITTED = "OUTGOING_EMAIL_SUBMITTED"
RECEIVED = arrivals.RECEIVED

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
    keepers: frozenset[str] = frozenset()
    for _ in range(ATTEMPTS):
        origin = _origin(grant, envelope, raw, forwards, keepers)
        if route is None:
            route = await routes.route(core, envelope, origin)
        routed, route = route, None
        ruled = await ruling.rule_outgoing(core, grant.organization, envelope, summary, routed)
        if junked := ruled.keepers(routed):
            keepers |= junked
            continue
        kept = await ruling.keep(core, envelope, origin, routed, ruled)
        try:
            return await _send(core, grant, standing, message, kept, ruled, hold_until, forwards)
        except StaleGrant:
            grant = await access.renew(core, grant)
            await senders.check_sender(core, grant, envelope.sender)
            await senders.check_header(core, grant, summary, stamped.raw)
            standing = await charging.standing_of(core, grant, envelope.sender)
            charging.check_outgoing(core, standing, raw, summary, envelope.recipients)
        except LimitExceeded:
            if not forwards:
                raise
            # Who forwards, by a setting or a rule, has sent enough today and keeps the message.
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
    forwards = not await forwarding.claims_our_name(core, authentication, raw)
    keepers: frozenset[str] = frozenset()
    origin = _origin(None, envelope, raw, forwards, keepers)
    routed = (route if forwards else None) or await routes.route(core, envelope, origin)
    organizations = routes.organizations_of(routed)
    scanned = await scan(core, envelope, raw, authentication, organizations)
    await viruses.check(core, envelope, scanned.virus, scanned.name, organizations)
    stamped = trace.stamp(core, envelope, raw, authentication, scanned.fields)
    summary = await summary_of(stamped.raw)
    charging.check_attachments(summary, core.settings.limits.attachments)
    told = enforcing.verdicts(authentication)
    message: Message | None = None
    again = core.env.monotonic() - began > STALE
    for _ in range(ATTEMPTS):
        if again:
            origin = _origin(None, envelope, raw, forwards, keepers)
            routed = await routes.route(core, envelope, origin)
            organizations = routes.organizations_of(routed)
        again = True
        if not organizations:
            raise UnknownRecipient("No recipient of this message lives here any more.")
        enforcement = await enforcing.enforce(core, authentication, organizations)
        left = [one for one in organizations if one not in enforcement.dropped]
        ruled = await ruling.rule_incoming(core, envelope, summary, routed, left)
        junked = enforcement.junked | ruled.keepers(routed, scanned)
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
        kept = await ruling.keep(core, envelope, origin, routed, ruled)
        arrival = Arrival(
            kept, organizations, enforcement, scanned, told, applied, ruled, redirects=forwards
        )
        try:
            return await _take_in(core, message, arrival)
        except LimitExceeded:
            if not forwards:
                raise
            # Who forwards, by a setting or a rule, has sent enough today and keeps the message.
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
    ruled: Ruled
    redirects: bool = True
    """Whether people's rules may send it on."""


def owner_of(grant: Grant) -> str:
    """Who may take a message back that the holder of this grant submitted."""
    return f"{grant.organization}/{grant.entity}"


def _check(core: Core, raw: bytes) -> None:
    if len(raw) > core.settings.limits.message_bytes:
        raise MessageTooLarge("The message is larger than this server accepts.")
    routes.check_hops(core, raw)


def _origin(
    grant: Grant | None,
    envelope: Envelope,
    raw: bytes,
    forwards: bool,
    keepers: frozenset[str],
) -> Origin:
    origin = msgspec.structs.replace(routes.origin_of(grant, envelope, raw), keepers=keepers)
    return origin if forwards else msgspec.structs.replace(origin, automatic=True)


async def _send(
    core: Core,
    grant: Grant,
    standing: Standing,
    message: Message,
    kept: Expansion,
    ruled: Ruled,
    hold_until: int | None,
    redirects: bool,
) -> str:
    """Write a submission to those whom the rules let have it."""
    home = grant.organization
    named = len(message.envelope.recipients)
    charges = await charging.charges_for(core, grant, standing, kept, named)
    also, events = await routes.reports(core, home, message, kept, inside=True)
    await _apply(core, message, ruled, also, events, proven=True)
    made = await placing.make_outgoing(
        core,
        message,
        kept,
        home=home,
        direction="outgoing",
        roles=ruled.roles(kept),
        gateways=ruled.gateways,
        hold_until=hold_until,
    )
    handled = await _rule(core, message, kept, made, direction="outgoing", redirects=redirects)
    items = handled.placed if handled is not None else made.deliveries
    told = arrivals.delivered(items, arrivals.people_of(kept, home))
    if hold_until is None and (inside := arrivals.arrived(message, kept, home)):
        told["arrived"] = inside
    results = ruling.results_of(ruled, kept, home, sent=True)
    submitted = await _event(core, home, SUBMITTED, message, results, grant.entity, told)
    events = [submitted, *await arrivals.tell_others(core, home, message, items, kept), *events]
    also += await _confirmations(core, message, kept, _without_rejected(made, handled), home)
    return await _write(core, grant, message, made, events, charges, also, handled)


async def _take_in(core: Core, message: Message, arrival: Arrival) -> str:
    """Write a routed message from outside, for those whom its authentication leaves."""
    routed, enforcement, scanned = arrival.routed, arrival.enforcement, arrival.scanned
    ruled = arrival.ruled
    left = [one for one in arrival.organizations if one not in enforcement.dropped]
    home = (left or arrival.organizations)[0]
    also, events = await routes.reports(core, home, message, routed, inside=False)
    kept = enforcement.keep(routed, left)
    events += arrival.applied
    await _apply(core, message, ruled, also, events, proven=_is_proven(arrival, message))
    charges = await charging.charges_for(core, None, None, kept, 0)
    roles = {**ruled.roles(kept, scanned), **enforcement.roles(kept)}
    made = await placing.make_outgoing(
        core, message, kept, home=home, direction="incoming", roles=roles
    )
    handled = await _rule(
        core,
        message,
        kept,
        made,
        direction="incoming",
        redirects=arrival.redirects,
        alone=len(message.envelope.recipients) == 1 and len(kept.local) == 1,
    )
    items = handled.placed if handled is not None else made.deliveries
    for one in arrival.organizations:
        results = ruling.results_of(ruled, kept, one, sent=False)
        placed = arrivals.delivered(items, arrivals.people_of(kept, one))
        more = {**arrival.told, **scanned.story(one), **placed}
        events.append(await _event(core, one, RECEIVED, message, results, "", more))
    if handled is not None and handled.refused:
        # What is refused is not journaled: its report is not written, either.
        events = [one for one in events if one.kind != journaling.INITIATED]
        await core.store.write(delivery.record, events=[*events, *handled.events])
        raise MessageRefused(handled.refused)
    also += await _confirmations(core, message, kept, _without_rejected(made, handled), home)
    return await _write(core, None, message, made, events, charges, also, handled)


def _is_proven(arrival: Arrival, message: Message) -> bool:
    """Whether the sender may be told of it: nothing says that it was forged."""
    return not (arrival.enforcement.enforced or message.envelope.forged)


async def _rule(
    core: Core,
    message: Message,
    routed: Expansion,
    made: Outgoing,
    *,
    direction: str,
    redirects: bool,
    alone: bool = False,
) -> Handled | None:
    """What the rules of those say who are delivered to now; the queue asks for the others."""
    if not made.deliveries:
        return None
    people = [
        Person(one.organization, one.mailbox, one.rcpt, one.quota - one.bytes)
        for one in routed.local
    ]
    return await personal.apply(
        core,
        message,
        made.deliveries,
        people,
        direction=direction,
        redirects=redirects,
        alone=alone and not made.queued,
    )


def _without_rejected(made: Outgoing, handled: Handled | None) -> Outgoing:
    """What was delivered, in the eyes of its sender."""
    if handled is None or not handled.rejected:
        return made
    left = [item for item in made.deliveries if item.mailbox not in handled.rejected]
    return msgspec.structs.replace(made, deliveries=left)


async def _apply(
    core: Core,
    message: Message,
    ruled: Ruled,
    also: list[Outgoing],
    events: list[NewEvent],
    *,
    proven: bool,
) -> None:
    """Add what follows from rules and journaling to what is written with the message."""
    if not ruled.policies:
        return
    for step in (
        await ruling.tell(core, message, ruled, proven=proven),
        await journaling.journal(core, message, ruled),
    ):
        also += step[0]
        events += step[1]


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
    handled: Handled | None,
) -> str:
    handled = handled or Handled(made.deliveries)
    await core.store.write(
        delivery.deliver,
        grant=grant,
        content=made.content,
        deliveries=handled.items,
        queued=made.queued + handled.queued,
        events=events + handled.events,
        charges=charges + handled.charges,
        also=also + handled.also,
        answers=handled.answers,
        memories=handled.memories,
    )
    count(events + handled.events)
    return message.stamped.trace

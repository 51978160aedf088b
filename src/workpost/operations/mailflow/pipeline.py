"""The life of a message until somebody answers for it, from top to bottom.

    submit:  size, hops -> no Bcc -> scan -> stamp -> summarize -> may the sender? -> limits ->
             place -> route -> flow rules -> journal -> charge, seal -> personal rules -> hold ->
             one write
    receive: size, hops -> authenticate -> route -> scan -> stamp -> summarize -> enforce ->
             flow rules -> place -> journal -> charge, seal -> personal rules -> hold -> one write

Whom a rule keeps waiting for a function is held, and goes on in `attempting` and `releasing`.

`submit` is for people who logged in, `receive` for other servers. Both return the trace id after
the commit that makes the message durable; whoever calls then says 250.
"""

from __future__ import annotations

import msgspec

from workpost.domain.access import shell as access
from workpost.domain.directory.routing import Expansion
from workpost.domain.messages import delivery
from workpost.domain.messages.shell import summary_of
from workpost.formats.mime.blind import drop_blind_copies
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
from workpost.operations.authentication import tallies
from workpost.operations.authentication.check import (
    Authentication,
    authenticate,
    is_forged,
    is_from_outside,
)
from workpost.operations.authentication.relayed import read_relayed
from workpost.operations.filtering.scan import scan, scan_virus
from workpost.operations.mailflow import (
    charging,
    enforcing,
    forwarding,
    placing,
    routes,
    ruling,
    senders,
    trace,
    unruled,
    viruses,
    writing,
)
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core

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
    (milliseconds) nobody gets it, and `orders.take_back` undoes it. It is kept as it is, but for
    Bcc, which would tell everybody. Raises SenderNotAllowed,
    UnknownRecipient, MessageTooLarge, TooManyRecipients, InvalidParameter, MailLoop, LimitExceeded,
    TryLater, AuthenticationFailed when access was withdrawn meanwhile, MessageRefused for a virus.
    """
    if hold_until is not None:
        envelope = msgspec.structs.replace(envelope, owner=owner_of(grant))
    header = _check(core, raw)
    if b"bcc" in header or len(header) == forwarding.MAX_HEADER:
        raw = drop_blind_copies(raw)
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
        origin = routes.origin_of(grant, envelope, header, forwards=forwards, keepers=keepers)
        if route is None:
            route = await routes.route(core, envelope, origin)
        routed, route = route, None
        ruled = await ruling.rule_outgoing(core, grant.organization, envelope, summary, routed)
        if junked := ruled.keepers(routed):
            keepers |= junked
            continue
        kept = await ruling.keep(core, envelope, origin, routed, ruled)
        try:
            return await writing.send(
                core,
                grant,
                standing,
                message,
                kept,
                ruled,
                hold_until=hold_until,
                redirects=forwards,
                virus=virus,
            )
        except StaleGrant:
            unruled.forget(core, grant.organization)
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
    header = _check(core, raw)
    began = core.env.monotonic()
    authentication, envelope = await _authenticate(core, envelope, raw)
    forwards = not envelope.claimed
    keepers: frozenset[str] = frozenset()
    origin = routes.origin_of(None, envelope, header, forwards=forwards)
    routed = (route if forwards else None) or await routes.route(core, envelope, origin)
    organizations = routes.organizations_of(routed)
    asked = await ruling.ask(core, organizations, routed)
    scanned = await scan(core, envelope, raw, authentication, organizations, asked.taught)
    await viruses.check(core, envelope, scanned.virus, scanned.name, organizations)
    stamped = trace.stamp(core, envelope, raw, authentication, scanned.fields)
    summary = await summary_of(stamped.raw)
    charging.check_attachments(summary, core.settings.limits.attachments)
    told = enforcing.verdicts(authentication)
    message: Message | None = None
    again = core.env.monotonic() - began > STALE
    for _ in range(ATTEMPTS):
        if again:
            origin = routes.origin_of(None, envelope, header, forwards=forwards, keepers=keepers)
            routed = await routes.route(core, envelope, origin)
            organizations = routes.organizations_of(routed)
            asked = await ruling.ask(core, organizations, routed)
        again = True
        if not organizations:
            raise UnknownRecipient("No recipient of this message lives here any more.")
        enforcement = await enforcing.enforce(core, authentication, organizations)
        left = [one for one in organizations if one not in enforcement.dropped]
        ruled = await ruling.rule_incoming(core, envelope, summary, routed, left, asked)
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
            _count(core, envelope, authentication, enforcement)
            raise MessageRefused(enforcement.refused)
        message = message or await placing.place(core, envelope, stamped, summary)
        kept = await ruling.keep(core, envelope, origin, routed, ruled)
        arrival = writing.Arrival(
            kept, organizations, enforcement, scanned, told, applied, ruled, redirects=forwards
        )
        try:
            return await _take_in(core, message, arrival, authentication)
        except LimitExceeded:
            if not forwards:
                raise
            # Who forwards, by a setting or a rule, has sent enough today and keeps the message.
            forwards = False
        except (QuotaExceeded, MailboxNotFound):
            continue
    raise TryLater("The recipients' mailboxes keep changing.")


async def _take_in(
    core: Core,
    message: Message,
    arrival: writing.Arrival,
    authentication: Authentication | None,
) -> str:
    taken = await writing.take_in(core, message, arrival)
    _count(core, message.envelope, authentication, arrival.enforcement)
    return taken


def _count(
    core: Core,
    envelope: Envelope,
    authentication: Authentication | None,
    enforcement: enforcing.Enforcement,
) -> None:
    """Count what became of a message for the reports to its author's domain."""
    if authentication is not None and authentication.dmarc.standing is not None:
        done = enforcing.outcome(authentication, enforcement)
        tallies.note(core, envelope, authentication, done)


def owner_of(grant: Grant) -> str:
    """Who may take a message back that the holder of this grant submitted."""
    return f"{grant.organization}/{grant.entity}"


async def _authenticate(
    core: Core, envelope: Envelope, raw: bytes
) -> tuple[Authentication | None, Envelope]:
    """What is known of where a message comes from, and the envelope that remembers it."""
    outside = is_from_outside(core, envelope)
    found = await (authenticate if outside else read_relayed)(core, envelope, raw)
    if found is None:
        return None, envelope
    claimed = await forwarding.claims_our_name(core, found)
    return found, msgspec.structs.replace(envelope, forged=is_forged(found), claimed=claimed)


def _check(core: Core, raw: bytes) -> bytes:
    """Refuse what is too large or in a loop; the header in lower case."""
    if len(raw) > core.settings.limits.message_bytes:
        raise MessageTooLarge("The message is larger than this server accepts.")
    header = forwarding.lower_header(raw)
    routes.check_hops(core, header)
    return header

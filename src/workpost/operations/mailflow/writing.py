"""What one transaction writes of a message that was read, routed and ruled.

`send` is for what people submit, `take_in` for what other servers bring: reports, journal, charges,
sealed items and queue entries, personal rules and events go in together (invariant 3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from workpost.domain.directory.sending_limits import Standing
from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Charge, Outgoing
from workpost.formats.dates import format_date
from workpost.kernel.errors import MessageRefused
from workpost.kernel.principal import Grant
from workpost.operations.filtering.verdicts import Scan
from workpost.operations.mailflow import (
    arrivals,
    charging,
    delivering,
    holding,
    journaling,
    routes,
    rule_telling,
    trace,
)
from workpost.operations.mailflow.counting import count
from workpost.operations.mailflow.enforcing import Enforcement
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.personal import Handled
from workpost.operations.mailflow.routes import Results
from workpost.operations.mailflow.ruling import Kept, Ruled
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

SUBMITTED = "OUTGOING_EMAIL_SUBMITTED"
RECEIVED = arrivals.RECEIVED


class Arrival(msgspec.Struct, frozen=True):
    """What is known of a message from outside when it is about to be written."""

    routed: Kept
    organizations: list[str]
    enforcement: Enforcement
    scanned: Scan
    told: Mapping[str, object]
    applied: list[NewEvent]
    ruled: Ruled
    redirects: bool = True
    """Whether people's rules may send it on."""


async def send(
    core: Core,
    grant: Grant,
    standing: Standing,
    message: Message,
    routed: Kept,
    ruled: Ruled,
    *,
    hold_until: int | None,
    redirects: bool,
    virus: str,
) -> str:
    """Write a submission to those whom the rules let have it; `virus` is the filter's verdict."""
    home = grant.organization
    kept = routed.now
    named = len(message.envelope.recipients)
    later = hold_until is not None
    charges = await charging.charges_for(core, grant, standing, routed.counted, named, later=later)
    also, events = await routes.reports(core, home, message, kept, inside=True)
    await _apply(core, message, ruled, also, events, proven=True)
    given = await delivering.deliver(
        core,
        message,
        kept,
        home=home,
        direction="outgoing",
        roles=ruled.roles(kept),
        gateways=ruled.gateways,
        hold_until=hold_until,
        redirects=redirects,
        plain=ruled.plain,
    )
    made, handled = given.made, given.handled
    items, paths = handled.placed, handled.paths
    told = arrivals.delivered(items, arrivals.people_of(kept, home), paths)
    if hold_until is not None:
        told["heldUntil"] = format_date(hold_until / 1000)
    elif inside := arrivals.arrived(message, kept, home):
        told["arrived"] = inside
    results = rule_telling.results_of(ruled, kept, home, sent=True)
    if virus:
        told["virusVerdict"] = virus
    submitted = await _event(core, home, SUBMITTED, message, results, grant.entity, told)
    others = await arrivals.tell_others(core, home, message, items, kept, paths)
    events = [submitted, *others, *events]
    also += await delivering.confirm(core, message, kept, given, home)
    known = holding.Known(
        submitter=f"{home}/{grant.entity}",
        redirects=redirects,
        charged=charging.forwarders(routed.counted),
    )
    made = await holding.hold(core, message, ruled, made, known, hold_until=hold_until)
    unruled = [item.mailbox for item in made.deliveries] if ruled.remembered else None
    return await _write(core, grant, message, made, events, charges, also, handled, unruled=unruled)


async def take_in(core: Core, message: Message, arrival: Arrival) -> str:
    """Write a routed message from outside, for those whom its authentication leaves."""
    routed, enforcement, scanned = arrival.routed.now, arrival.enforcement, arrival.scanned
    ruled = arrival.ruled
    left = [one for one in arrival.organizations if one not in enforcement.dropped]
    home = (left or arrival.organizations)[0]
    also, events = await routes.reports(core, home, message, routed, inside=False)
    kept = enforcement.keep(routed, left)
    counted = enforcement.keep(arrival.routed.counted, left)
    events += arrival.applied
    await _apply(core, message, ruled, also, events, proven=_is_proven(arrival, message))
    charges = await charging.charges_for(core, None, None, counted, 0)
    roles = {**ruled.roles(kept, scanned), **enforcement.roles(kept)}
    given = await delivering.deliver(
        core,
        message,
        kept,
        home=home,
        direction="incoming",
        roles=roles,
        redirects=arrival.redirects,
        alone=len(message.envelope.recipients) == 1 and len(kept.local) == 1,
        plain=ruled.plain,
    )
    made, handled = given.made, given.handled
    items, paths = handled.placed, handled.paths
    for one in arrival.organizations:
        results = rule_telling.results_of(ruled, kept, one, sent=False)
        placed = arrivals.delivered(items, arrivals.people_of(kept, one), paths)
        more = {**arrival.told, **scanned.story(one), **placed}
        own = arrivals.reached(kept, one)
        events.append(await _event(core, one, RECEIVED, message, results, "", more, own))
    if handled.refused:
        # What is refused is not journaled: its report is not written, either.
        events = [one for one in events if one.kind != journaling.INITIATED]
        await core.store.write(delivery.record, events=[*events, *handled.events])
        raise MessageRefused(handled.refused)
    also += await delivering.confirm(core, message, kept, given, home)
    known = holding.Known(
        spam=scanned.spam,
        quarantined=enforcement.junked,
        redirects=arrival.redirects,
        proven=_is_proven(arrival, message),
        charged=charging.forwarders(counted),
    )
    made = await holding.hold(core, message, ruled, made, known)
    return await _write(core, None, message, made, events, charges, also, handled)


def _is_proven(arrival: Arrival, message: Message) -> bool:
    """Whether the sender may be told of it: nothing says that it was forged."""
    return not (arrival.enforcement.enforced or message.envelope.forged)


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
        await rule_telling.tell(core, message, ruled, proven=proven),
        await journaling.journal(core, message, ruled),
    ):
        also += step[0]
        events += step[1]


async def _event(
    core: Core,
    organization: str,
    kind: str,
    message: Message,
    results: Results,
    actor: str,
    more: Mapping[str, object] = trace.NOTHING,
    known: Collection[str] = (),
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
        known=known,
    )


async def _write(
    core: Core,
    grant: Grant | None,
    message: Message,
    made: Outgoing,
    events: list[NewEvent],
    charges: list[Charge],
    also: list[Outgoing],
    handled: Handled,
    *,
    unruled: list[int] | None = None,
) -> str:
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
        unruled=unruled,
    )
    count(events + handled.events)
    return message.stamped.trace

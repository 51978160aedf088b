"""What is told of flow rules: events of organizations, and reports to those who are bounced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workpost.domain.directory.routing import Expansion
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.organizations.flow_rules import BOUNCE, DROP, INBOUND, OUTBOUND, Match
from workpost.formats.addresses import fold, split
from workpost.operations.mailflow import bounces, reports, routes, trace
from workpost.operations.mailflow.entries import Message, stored_envelope
from workpost.operations.mailflow.envelope import NO_WISH, Wish
from workpost.operations.mailflow.reports import FAILED, About, Told
from workpost.operations.mailflow.routes import Results
from workpost.operations.mailflow.ruling import (
    APPLIED,
    BOUNCED,
    DROPPED,
    HELD,
    REASONS,
    REFUSED,
    SENT_BOUNCED,
    UNPROVEN,
    Ruled,
    waits,
)
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

_WORDS = {DROP: DROPPED, BOUNCE: BOUNCED}


def results_of(ruled: Ruled, kept: Expansion, organization: str, *, sent: bool) -> Results:
    """What an organization's event tells of each recipient, those left out included.

    A sender does not hear of another organization's rules here.
    """
    results = routes.results_of(kept, organization, sent=sent)
    if not sent and len({*ruled.owners.values()}) > 1:
        # Whom nobody here knows may have been written to at another organization.
        strangers = {one for one in kept.unknown if kept.owners.get(one) != organization}
        results = {rcpt: ways for rcpt, ways in results.items() if rcpt not in strangers}
    for found in (ruled.inbound, ruled.outbound):
        for rcpt, match in found.items():
            word = HELD if waits(match) else _WORDS.get(match.rule.action.type)
            if word and (found is ruled.outbound or ruled.owners[rcpt] == organization):
                results[rcpt] = {word: 1}
            elif word and sent:
                results[rcpt] = {routes.HERE: 1}
    return results


async def tell(
    core: Core, message: Message, ruled: Ruled, *, proven: bool
) -> tuple[list[Outgoing], list[NewEvent]]:
    """The reports about bounced recipients, and the events of all rules that matched.

    `proven` False: the message is not of whom it says; nobody is sent a report about it.
    """
    also: list[Outgoing] = []
    events: list[NewEvent] = []
    for direction, found in ((OUTBOUND, ruled.outbound), (INBOUND, ruled.inbound)):
        by_organization: dict[str, dict[str, Match]] = {}
        for rcpt, match in found.items():
            if waits(match):
                # Told when it is known what the function has said.
                continue
            org = ruled.home if direction == OUTBOUND else ruled.owners[rcpt]
            by_organization.setdefault(org, {})[rcpt] = match
        for org, matches in sorted(by_organization.items()):
            events += await _applied(core, org, direction, message, matches)
            bounced = [one for one, match in matches.items() if match.rule.action.type == BOUNCE]
            if bounced:
                report, told = await _bounce(core, org, direction, message, bounced, proven)
                also += report
                events += told
    return also, events


async def _applied(
    core: Core, organization: str, direction: str, message: Message, matches: Mapping[str, Match]
) -> list[NewEvent]:
    """RULE_APPLIED, once for each rule, with its recipients as they were written."""
    written = {fold(one): one for one in message.envelope.recipients}
    by_rule: dict[str, tuple[Match, list[str]]] = {}
    for rcpt, match in matches.items():
        by_rule.setdefault(match.id, (match, []))[1].append(written.get(rcpt, rcpt))
    events = []
    for match, recipients in by_rule.values():
        more = {
            "recipients": recipients,
            "ruleName": match.rule.name,
            "ruleType": f"{direction}_RULE",
            "ruleActions": [{"action": match.rule.action.type, "recipients": recipients}],
        }
        events.append(
            await trace.make_event(
                core,
                organization,
                APPLIED,
                message.stamped,
                message.envelope,
                message.summary,
                "",
                more=more,
            )
        )
    return events


async def _bounce(
    core: Core,
    organization: str,
    direction: str,
    message: Message,
    bounced: Sequence[str],
    proven: bool,
) -> tuple[list[Outgoing], list[NewEvent]]:
    wishes = {fold(one): wish for one, wish in message.envelope.wishes.items()}
    people = [(rcpt, wishes.get(rcpt, NO_WISH)) for rcpt in bounced]
    reason = REASONS[direction]
    return await tell_bounced(core, organization, direction, message, people, reason, proven=proven)


async def tell_bounced(
    core: Core,
    organization: str,
    direction: str,
    message: Message,
    people: Sequence[tuple[str, Wish]],
    reason: str,
    *,
    proven: bool,
) -> tuple[list[Outgoing], list[NewEvent]]:
    """The report about those whom a rule bounces for one reason, if its sender is proven; events.

    `people` are not empty, each with what the sender wishes to hear of it.
    """
    told = [
        Told(address=address, action=FAILED, status=REFUSED, reason=reason, wish=wish)
        for address, wish in people
    ]
    ours = message.envelope.sender if direction == OUTBOUND else told[0].address
    about = about_ours(message, organization, ours)
    report, outcome = None, {one.address: UNPROVEN for one in told}
    if proven:
        report, outcome = await reports.make_report(core, about, told)
    kind = SENT_BOUNCED if direction == OUTBOUND else bounces.BOUNCED
    events = await bounces.seal_bounces(core, kind, about, told, outcome)
    return [report] if report is not None else [], events


def about_ours(message: Message, organization: str, ours: str) -> About:
    """What a report is about that an organization sends in the name of its address `ours`."""
    return About(
        organization=organization,
        envelope=stored_envelope(message),
        raw=message.stamped.raw,
        summary=message.summary,
        arrival=message.received,
        domain=split(ours)[1],
    )

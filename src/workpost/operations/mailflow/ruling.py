"""The step of flow rules: what they say of each recipient, in and out (decision 41).

Every message to somebody here meets the inbound rules of the recipient's organization, mail from
people here, too; what people send meets the outbound rules of their organization before. Rules see
the recipients of the envelope. Who is dropped or bounced is left out before the message is routed
(again), so that it still reaches whoever is also written to in another way.

The rules act after 250: a drop is silent, a bounce is a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, Forward, Local, Refusal, lookup_address
from workpost.domain.directory.walking import Origin
from workpost.domain.organizations import flow_rule_shell as rules
from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DROP,
    GATEWAY,
    INBOUND,
    JUNK,
    LAMBDA,
    NEVER_JUNK,
    OUTBOUND,
    Match,
    Question,
)
from workpost.formats.addresses import fold
from workpost.formats.mime.summary import Summary
from workpost.operations.filtering.verdicts import FAIL, Scan
from workpost.operations.mailflow import routes, unruled
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core
from workpost.store.tables import folders
from workpost.store.tables.flow_rules import NOTHING, FlowPolicyRow
from workpost.store.tables.in_force import InForce, get_in_force

APPLIED = "RULE_APPLIED"
SENT_BOUNCED = "OUTGOING_EMAIL_BOUNCED"

DROPPED, BOUNCED, HELD = "dropped", "bounced", "held"
"""What events tell of recipients whom a rule keeps the message from, or for whom it waits."""

REFUSED = "5.7.1"
REASONS = {
    INBOUND: "A rule of the recipient's organization does not let the message in.",
    OUTBOUND: "A rule of your organization does not let the message out.",
}
UNPROVEN = "none: the message does not prove who sent it"
UNSCANNED = Scan()


class Ruled(msgspec.Struct, frozen=True):
    """What the rules say; recipients are folded.

    `owners` has the organization of each recipient who lives here, `policies` what each of the
    organizations concerned has set; `home` is the sender's, "" for mail from outside.
    """

    home: str = ""
    owners: Mapping[str, str] = {}
    policies: Mapping[str, FlowPolicyRow] = {}
    outbound: Mapping[str, Match] = {}
    inbound: Mapping[str, Match] = {}
    plain: frozenset[int] = frozenset()
    """Mailboxes that are known to have no personal rules."""
    remembered: bool = False
    """They, and that there are no rules at all, were not looked up: the transaction does."""

    def _with(self, action: str) -> frozenset[str]:
        return frozenset(
            rcpt
            for found in (self.outbound, self.inbound)
            for rcpt, match in found.items()
            if match.rule.action.type == action
        )

    @property
    def withheld(self) -> frozenset[str]:
        """The recipients who do not get the message."""
        if not self.policies:
            return frozenset()
        return self._with(DROP) | self._with(BOUNCE)

    @property
    def held(self) -> frozenset[str]:
        """The recipients for whom the message waits for a function."""
        if not self.policies:
            return frozenset()
        return frozenset(
            rcpt
            for found in (self.outbound, self.inbound)
            for rcpt, match in found.items()
            if waits(match)
        )

    @property
    def gateways(self) -> dict[str, str]:
        """The gateway of each recipient who is to be reached through one."""
        if not self.outbound:
            return {}
        return {
            rcpt: match.rule.action.gateway
            for rcpt, match in self.outbound.items()
            if match.rule.action.type == GATEWAY
        }

    def is_junk(self, rcpt: str, *, spam: bool) -> bool:
        """Whether mail for a recipient belongs into Junk E-mail, if filters say this of it."""
        match = self.inbound.get(rcpt)
        action = match.rule.action.type if match is not None else ""
        return action == JUNK or (spam and action != NEVER_JUNK)

    def roles(self, routed: Expansion, scanned: Scan = UNSCANNED) -> dict[int, str]:
        """The mailboxes whose Junk E-mail takes the message."""
        if not self.inbound and not scanned.junked:
            return {}
        return {
            one.mailbox: folders.JUNK
            for one in routed.local
            if self.is_junk(one.rcpt, spam=scanned.spam.get(one.organization) == FAIL)
        }

    def keepers(self, routed: Expansion, scanned: Scan = UNSCANNED) -> frozenset[str]:
        """The organizations whose people would forward what is junk: such mail stays with them."""
        if not routed.forwards:
            return frozenset()
        return frozenset(
            one.organization
            for one in routed.forwards
            if one.by and self.is_junk(one.rcpt, spam=scanned.spam.get(one.organization) == FAIL)
        )


def waits(match: Match) -> bool:
    """Whether the message waits for what a function says."""
    return match.rule.action.type == LAMBDA and not match.rule.action.asynchronous


async def ask(core: Core, organizations: Sequence[str], routed: Expansion) -> InForce:
    """What is set at this moment for organizations and for those who are delivered to."""
    if not organizations:
        return InForce()
    mailboxes = [one.mailbox for one in routed.local]
    return await core.store.read(get_in_force, orgs=organizations, mailboxes=mailboxes)


async def rule_outgoing(
    core: Core, home: str, envelope: Envelope, summary: Summary, routed: Expansion
) -> Ruled:
    """What the rules say of a message that somebody of `home` sends."""
    remembered = unruled.recall(core, home, routed)
    if remembered is not None:
        return Ruled(home, plain=remembered.plain, remembered=True)
    organizations = [home, *sorted(_organizations(routed) - {home})]
    asked = await ask(core, organizations, routed)
    unruled.remember(core, home, asked)
    return await _rule(core, home, organizations, envelope, summary, routed, asked)


async def rule_incoming(
    core: Core,
    envelope: Envelope,
    summary: Summary,
    routed: Expansion,
    organizations: Sequence[str],
    asked: InForce | None = None,
) -> Ruled:
    """What the rules of `organizations` say of a message from outside; others are not asked.

    `asked` is what is set, if that was read just now.
    """
    asked = asked or await ask(core, organizations, routed)
    return await _rule(core, "", organizations, envelope, summary, routed, asked)


async def _rule(
    core: Core,
    home: str,
    organizations: Sequence[str],
    envelope: Envelope,
    summary: Summary,
    routed: Expansion,
    asked: InForce,
) -> Ruled:
    found = ((org, asked.policies.get(org, NOTHING)) for org in organizations)
    policies = {org: policy for org, policy in found if policy.version or policy.journal}
    if not policies:
        return Ruled(home, plain=asked.plain)
    owners = await _owners(core, envelope, routed)
    senders, authors = _addresses(summary.sender), _addresses(summary.from_)
    outbound: dict[str, Match] = {}
    if home in policies:
        question = await _question(core, home, OUTBOUND, policies[home], senders, authors)
        outbound = _answers(question, map(fold, envelope.recipients))
    inbound: dict[str, Match] = {}
    for org, policy in policies.items():
        question = await _question(core, org, INBOUND, policy, senders, authors)
        theirs = [
            one for one, owner in owners.items() if owner == org and not _stops(outbound, one)
        ]
        inbound |= _answers(question, theirs)
    return Ruled(home, owners, policies, outbound, inbound, asked.plain)


async def _question(
    core: Core,
    organization: str,
    direction: str,
    policy: FlowPolicyRow,
    senders: Sequence[str],
    authors: Sequence[str],
) -> Question:
    table = await rules.table_of(core, organization, direction, policy)
    return Question(direction, table, senders, authors)


def _answers(question: Question, recipients: Iterable[str]) -> dict[str, Match]:
    answers = ((one, question.find(one)) for one in recipients)
    return {one: match for one, match in answers if match is not None}


def _stops(outbound: Mapping[str, Match], rcpt: str) -> bool:
    match = outbound.get(rcpt)
    if match is None:
        return False
    return waits(match) or match.rule.action.type in (DROP, BOUNCE)


def _addresses(people: Sequence[tuple[str, str]]) -> list[str]:
    return [address for _, address in people]


def _organizations(routed: Expansion) -> set[str]:
    here = {one.organization for one in routed.local}
    return here | {one.organization for one in routed.forwards}


async def _owners(core: Core, envelope: Envelope, routed: Expansion) -> dict[str, str]:
    """Whose organization's each recipient is, of those who live here."""
    owners = {one: routed.owners[one] for one in routed.empty}
    known: list[Local | Forward | Refusal] = [*routed.local, *routed.forwards, *routed.refused]
    for one in known:
        owners.setdefault(one.rcpt, one.organization)
    elsewhere = {*routed.external, *routed.unknown}
    for folded in dict.fromkeys(map(fold, envelope.recipients)):
        if folded in owners or folded in elsewhere:
            continue
        # People who are reached through somebody who was named before.
        holder = await core.store.read(lookup_address, addr_fold=folded)
        if holder is not None:
            owners[folded] = holder.org
    return owners


class Kept(msgspec.Struct, frozen=True):
    """Where a message goes `now`, and with those for whom it waits (`counted`)."""

    now: Expansion
    counted: Expansion


async def keep(
    core: Core, envelope: Envelope, origin: Origin, routed: Expansion, ruled: Ruled
) -> Kept:
    """The route of those whom the rules let have the message; it may lead nowhere."""
    withheld, held = ruled.withheld, ruled.held
    counted = await _without(core, envelope, origin, routed, withheld)
    if not held:
        return Kept(counted, counted)
    return Kept(await _without(core, envelope, origin, routed, withheld | held), counted)


async def _without(
    core: Core,
    envelope: Envelope,
    origin: Origin,
    routed: Expansion,
    withheld: frozenset[str],
) -> Expansion:
    if not withheld:
        return routed
    kept = [one for one in envelope.recipients if fold(one) not in withheld]
    return await routes.expand(core, kept, origin) if kept else Expansion([], [], [], [])

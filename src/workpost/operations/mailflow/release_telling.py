"""What is told when a function has answered: reports to senders, and events of organizations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.prepare import NewItem
from workpost.domain.organizations.flow_rules import BOUNCE, LAMBDA
from workpost.formats.addresses import fold
from workpost.operations.mailflow import (
    arrivals,
    bounces,
    journaling,
    routes,
    rule_telling,
    ruling,
    trace,
)
from workpost.operations.mailflow.answered import Answer, Answered, Waiting
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import StoredRecipient
from workpost.operations.mailflow.reports import FAILED, Told
from workpost.operations.mailflow.rule_telling import about_ours
from workpost.operations.mailflow.ruling import Ruled
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

ADDED_MANY = ("5.7.1", "The sender has sent to as many recipients elsewhere as a day allows.")
UNTOLD = "none: a function has added the recipient"


class Telling:
    """Collects `also`, the reports, and `events` of one message that goes on now."""

    def __init__(self, core: Core, waiting: Waiting, answered: Answered, message: Message) -> None:
        self.core = core
        self.waiting = waiting
        self.held = waiting.held
        self.verdict = answered.verdict
        self.message = message
        self.organization = waiting.organization
        self.submitted, self.entity = waiting.submitter
        self.also: list[Outgoing] = []
        self.events: list[NewEvent] = []

    def add(self, told: tuple[Sequence[Outgoing], Sequence[NewEvent]]) -> None:
        """Add reports and events that somebody else has made."""
        self.also += told[0]
        self.events += told[1]

    async def bounce(self) -> None:
        """The reports about those whom the function, or the fallback, bounces; one a reason."""
        by_reason: dict[str, list[StoredRecipient]] = {}
        for one in self.waiting.recipients:
            said = self.verdict(fold(one.address))
            if said.action == BOUNCE:
                reason = said.reason or ruling.REASONS[self.held.direction]
                by_reason.setdefault(reason, []).append(one)
        for reason, people in by_reason.items():
            self.add(
                await rule_telling.tell_bounced(
                    self.core,
                    self.organization,
                    self.held.direction,
                    self.message,
                    [(one.address, one.wish) for one in people],
                    reason,
                    proven=self.held.proven,
                )
            )

    async def too_many(self, people: Sequence[str]) -> None:
        """The events of those whom the function adds in vain, if there are any."""
        if not people:
            return
        status, reason = ADDED_MANY
        told = [Told(address=one, action=FAILED, status=status, reason=reason) for one in people]
        about = about_ours(self.message, self.organization, self.message.envelope.sender)
        outcome = dict.fromkeys(people, UNTOLD)
        kind = ruling.SENT_BOUNCED
        self.events += await bounces.seal_bounces(self.core, kind, about, told, outcome)

    async def applied(
        self,
        answer: Answer,
        added: Mapping[str, str],
        ignored: Sequence[str],
    ) -> None:
        """RULE_APPLIED, with the actions that the function has led to."""
        by_action: dict[str, list[str]] = {}
        for one in self.waiting.recipients:
            action = self.verdict(fold(one.address)).action
            by_action.setdefault(action, []).append(one.address)
        for folded, address in added.items():
            by_action.setdefault(self.verdict(folded).action, []).append(address)
        everyone = [one.address for one in self.waiting.recipients]
        actions: list[dict[str, object]] = [{"action": LAMBDA, "recipients": everyone}]
        actions += [{"action": one, "recipients": people} for one, people in by_action.items()]
        more: dict[str, object] = {
            "recipients": [*everyone, *added.values()],
            "ruleName": self.held.name,
            "ruleType": f"{self.held.direction}_RULE",
            "ruleActions": actions,
            "function": self.held.function,
            "invocationId": self.held.invocation,
            "replaced": self.waiting.replaced,
        }
        if answer.response is None:
            more["fallback"] = answer.failure
        if added:
            more["added"] = list(added.values())
        if ignored:
            more["ignored"] = list(ignored)
        self.events.append(await self._event(self.organization, ruling.APPLIED, more))

    async def _event(self, organization: str, kind: str, more: Mapping[str, object]) -> NewEvent:
        return await trace.make_event(
            self.core,
            organization,
            kind,
            self.message.stamped,
            self.message.envelope,
            self.message.summary,
            self.entity if organization == self.submitted else "",
            more=more,
        )

    async def unreached(self, routed: Expansion) -> None:
        """What the sender hears of those who cannot have it."""
        inside = self.submitted == self.organization
        self.add(
            await routes.reports(self.core, self.organization, self.message, routed, inside=inside)
        )

    async def journal(self, ruled: Ruled) -> None:
        """The journal reports of organizations that have the message because of who was added."""
        new = {
            org: policy for org, policy in ruled.policies.items() if org not in self.held.concerned
        }
        if new:
            theirs = msgspec.structs.replace(ruled, policies=new)
            self.add(await journaling.journal(self.core, self.message, theirs))

    async def arrived(
        self, routed: Expansion, items: Sequence[NewItem], paths: Mapping[int, str]
    ) -> None:
        """What each organization hears of its mailboxes.

        An organization that has not sent it, nor had it from outside, hears of it for the first
        time.
        """
        for org in routes.organizations_of(routed):
            told = arrivals.delivered(items, arrivals.people_of(routed, org), paths)
            first = bool(self.submitted) and org != self.submitted
            if first and self.held.others:
                first = not await trace.own_recipients(self.core, org, self.held.others)
            if org == self.submitted:
                told["arrived"] = arrivals.arrived(self.message, routed, org)
            if not (first or told.get("arrived") or told["delivered"]):
                continue
            if first:
                told["results"] = routes.results_of(routed, org, sent=False)
            kind = arrivals.RECEIVED if first else arrivals.DELIVERED
            self.events.append(await self._event(org, kind, told))

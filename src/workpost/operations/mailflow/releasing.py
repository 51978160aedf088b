"""What becomes of a message when the function that it waited for has answered, or will not.

The row of the queue is settled in one transaction (invariant 3): each recipient is dropped,
bounced, delivered to, or waits elsewhere in the queue; outbound the inbound rules of recipients
here come next, which may hold it again. The message is the one that the function left, or the
original. It was journaled and counted against limits when it was accepted; what a function adds,
and what people have begun to forward since, counts now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, lookup_address
from workpost.domain.directory.walking import Origin
from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Charge, Outgoing, Settlement
from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DROP,
    INBOUND,
    JUNK,
    NEVER_JUNK,
    OUTBOUND,
)
from workpost.formats.addresses import fold
from workpost.formats.flow_functions import Verdict
from workpost.kernel.errors import Fault, LimitExceeded, MailboxNotFound, QuotaExceeded
from workpost.operations.mailflow import (
    arrivals,
    charging,
    confirming,
    forwarding,
    holding,
    personal,
    placing,
    routes,
    ruling,
)
from workpost.operations.mailflow.answered import Answer, Answered, Waiting, resolve
from workpost.operations.mailflow.counting import count
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import (
    NO_WISH,
    Envelope,
)
from workpost.operations.mailflow.personal import Handled, Person
from workpost.operations.mailflow.release_telling import Telling
from workpost.operations.mailflow.ruling import Ruled
from workpost.operations.mailflow.trace import Stamped
from workpost.operations.mailflow.writing import without_rejected
from workpost.store.content.squeezing import squeeze
from workpost.store.content.types import Placed
from workpost.store.core import Core
from workpost.store.tables import folders

ATTEMPTS = 4
"""How often a row is looked at again when mailboxes change under our hands."""


async def release(core: Core, waiting: Waiting, answer: Answer) -> bool:
    """Settle the row; False when its lease was lost. Raises Fault, KeyDestroyed, TryLater."""
    answered = resolve(waiting.held, waiting.recipients, answer.response)
    # What the function adds, and what people's rules send on, may be more than a day allows.
    allowed = [(True, True), (False, True), (True, False), (False, False)]
    for _ in range(ATTEMPTS + len(allowed)):
        adds, redirects = allowed[0]
        case = _Case(core, waiting, answer, answered, adds=adds, redirects=redirects)
        settlement = await case.decide()
        try:
            done = await core.store.write_background(delivery.settle_queued, settlement=settlement)
        except LimitExceeded:
            if len(allowed) == 1:
                raise Fault("a message that costs nothing is more than a day allows") from None
            allowed.pop(0)
        except (QuotaExceeded, MailboxNotFound):
            continue
        else:
            if done:
                count(settlement.events)
            return bool(done)
    raise Fault("the recipients' mailboxes keep changing")


class _Case:
    """One look at where the recipients go."""

    def __init__(
        self,
        core: Core,
        waiting: Waiting,
        answer: Answer,
        answered: Answered,
        *,
        adds: bool,
        redirects: bool,
    ) -> None:
        self.core = core
        self.waiting = waiting
        self.held = waiting.held
        self.answer = answer
        self.answered = answered
        self.adds = adds
        self.redirects = redirects and waiting.held.redirects
        self.organization = waiting.lease.leased.org
        self.direction = waiting.lease.leased.direction
        submitted, _, self.entity = waiting.held.submitter.partition("/")
        self.submitted = submitted
        self.charges: list[Charge] = []
        self.ignored = list(answered.ignored)

    async def decide(self) -> Settlement:
        """What one transaction writes."""
        going = {
            fold(one.address): one.address
            for one in self.waiting.recipients
            if self._verdict(fold(one.address)).action not in (DROP, BOUNCE)
        }
        added = await self._added()
        going |= added
        self.message = self._message(list(going.values()))
        self.telling = Telling(self.core, self.waiting, self.message)
        routed, ruled = await self._route(going)
        routed = await self._admit(routed, added)
        await self._count_forwards(routed)
        await self.telling.applied(self.answer, self._verdict, added, self.ignored)
        await self.telling.bounce(self._verdict)
        if ruled.policies:
            # Nothing here is forged: people here have sent it.
            self.telling.add(await ruling.tell(self.core, self.message, ruled, proven=True))
            await self.telling.journal(ruled)
        made, handled = await self._deliver(routed, ruled)
        handled = handled or Handled(made.deliveries)
        sent = set(going.values())
        known = holding.Known(
            submitter=self.held.submitter,
            redirects=self.redirects,
            others=self.held.others,
            apart=(
                *self.held.apart,
                *(one.address for one in self.waiting.recipients if one.address not in sent),
            ),
            concerned=self.held.concerned,
            charged=self.held.charged,
        )
        made = await holding.hold(self.core, self.message, ruled, made, known)
        lease = self.waiting.lease
        return Settlement(
            queue=lease.leased.id,
            number=self.waiting.number,
            fence=lease.fence,
            deliveries=handled.items,
            reports=self.telling.also + handled.also,
            events=self.telling.events + handled.events,
            queued=made.queued + handled.queued,
            charges=self.charges + handled.charges,
            answers=handled.answers,
            memories=handled.memories,
        )

    def _verdict(self, folded: str) -> Verdict:
        found = self.answered.verdicts.get(folded)
        return found if found is not None else self.answered.added[folded][1]

    # --- the message ---

    def _message(self, recipients: list[str]) -> Message:
        waiting, old = self.waiting, self.waiting.envelope
        wishes = {one.address: one.wish for one in waiting.recipients if one.wish != NO_WISH}
        envelope = Envelope(
            sender=old.sender,
            recipients=recipients,
            wishes={one: wishes[one] for one in recipients if one in wishes},
            smtputf8=old.smtputf8,
            body=old.body,
            requiretls=old.requiretls,
            ret=old.ret,
            envid=old.envid,
            owner=old.owner,
            forged=old.forged,
            claimed=old.claimed,
        )
        if waiting.replaced:
            # A function may write what the sender has not announced.
            header = waiting.raw[old.skip : waiting.summary.header_end]
            envelope = msgspec.structs.replace(
                envelope,
                smtputf8=old.smtputf8 or not header.isascii(),
                body=old.body if waiting.raw.isascii() else "8BITMIME",
            )
        return Message(
            Stamped(old.trace, waiting.raw, old.skip),
            envelope,
            waiting.summary,
            squeeze(waiting.summary.pack()),
            Placed(waiting.content, len(waiting.raw), 0, None),
            waiting.content_key,
            waiting.lease.leased.created,
        )

    # --- who gets it ---

    async def _added(self) -> dict[str, str]:
        """Those whom the function adds, as written: inbound only people of the organization."""
        found = {}
        for folded, (address, _) in self.answered.added.items():
            if self.held.direction == INBOUND:
                holder = await self.core.store.read(lookup_address, addr_fold=folded)
                if holder is None or holder.org != self.organization:
                    self.ignored.append(address)
                    continue
            found[folded] = address
        return found

    async def _route(self, going: Mapping[str, str]) -> tuple[Expansion, Ruled]:
        """Where they go, and what inbound rules say of it after an outbound one."""
        if self.held.direction == INBOUND:
            return await self._route_in(going), Ruled()
        envelope = self.message.envelope
        keepers: frozenset[str] = frozenset()
        while True:
            routed = await self._expand(list(going.values()), keepers)
            concerned = routes.organizations_of(routed)
            ruled = await ruling.rule_incoming(
                self.core, envelope, self.message.summary, routed, concerned
            )
            junked = ruled.keepers(routed)
            if junked <= keepers:
                break
            keepers |= junked
        ruled = msgspec.structs.replace(ruled, home=self.organization)
        if away := ruled.withheld | ruled.held:
            left = [address for folded, address in going.items() if folded not in away]
            routed = await self._expand(left, keepers)
        return routed, ruled

    async def _route_in(self, going: Mapping[str, str]) -> Expansion:
        own = self.organization
        routed = await self._expand(list(going.values()), frozenset())
        if any(one.by and self._is_junk(one.rcpt) for one in routed.forwards):
            routed = await self._expand(list(going.values()), frozenset((own,)))
        # A domain that went to somebody else meanwhile does not take the mail along.
        lost = [one.rcpt for one in routed.local if one.organization != own]
        lost += [one.rcpt for one in routed.forwards if one.organization != own]
        return msgspec.structs.replace(
            routed,
            local=[one for one in routed.local if one.organization == own],
            forwards=[one for one in routed.forwards if one.organization == own],
            external=[],
            unknown=list(dict.fromkeys((*routed.unknown, *routed.external, *lost))),
        )

    async def _expand(self, recipients: Sequence[str], keepers: frozenset[str]) -> Expansion:
        """The route of some recipients, without whom the message has reached already."""
        if not recipients:
            return Expansion([], [], [], [])
        origin = msgspec.structs.replace(self._origin(), keepers=keepers)
        folds = set(map(fold, recipients))
        before = [one for one in self.held.others if fold(one) not in folds]
        routed = await routes.expand(self.core, [*before, *recipients], origin)
        if not before:
            return routed
        return msgspec.structs.replace(
            routed,
            local=[one for one in routed.local if one.rcpt in folds],
            external=[one for one in routed.external if one in folds],
            unknown=[one for one in routed.unknown if one in folds],
            empty=[one for one in routed.empty if one in folds],
            forwards=[one for one in routed.forwards if one.rcpt in folds],
            refused=[one for one in routed.refused if one.rcpt in folds],
        )

    def _origin(self) -> Origin:
        header = forwarding.lower_header(self.message.stamped.raw)
        origin = routes.origin_of(None, self.message.envelope, header)
        return msgspec.structs.replace(
            origin,
            organization=self.submitted,
            entity=self.entity,
            automatic=origin.automatic or not self.redirects,
        )

    async def _admit(self, routed: Expansion, added: dict[str, str]) -> Expansion:
        """The route with those who were added as far as they are somebody, and may be written to.

        Those elsewhere count against the sender's limits of the day, remote users among them. What
        an inbound function adds is not the sender's doing, who may belong to another organization.
        """
        if not added:
            return routed
        mine = set(added)
        # A group that is reached is somebody, whoever within it takes no mail from the sender.
        reached = {*routed.external, *routed.empty}
        reached |= {one.rcpt for one in routed.local} | {one.rcpt for one in routed.forwards}
        for one in dict.fromkeys((*routed.unknown, *(each.rcpt for each in routed.refused))):
            if one in mine and one not in reached:
                self.ignored.append(added.pop(one))
        if not self.adds:
            over = set(_elsewhere(routed, added))
            await self.telling.too_many([added.pop(one) for one in sorted(over)])
            routed = msgspec.structs.replace(
                routed,
                external=[one for one in routed.external if one not in over],
                forwards=[one for one in routed.forwards if one.by or one.rcpt not in over],
            )
        extra = len(_elsewhere(routed, added))
        if extra and self.held.direction == OUTBOUND:
            self.charges += await charging.charges_of(
                self.core, self.submitted, self.entity, self.message.envelope.sender, extra
            )
        return msgspec.structs.replace(
            routed,
            unknown=[one for one in routed.unknown if one not in mine],
            refused=[one for one in routed.refused if one.rcpt not in mine],
        )

    async def _count_forwards(self, routed: Expansion) -> None:
        """Count what people send on, unless that was done when the message came.

        Those whom the function has added, and who have begun to forward while it was waited for.
        """
        new = [
            one
            for one in routed.forwards
            if one.by and f"{one.organization}/{one.entity}" not in self.held.charged
        ]
        onward = Expansion([], [], [], [], forwards=new)
        self.charges += await charging.charges_for(self.core, None, None, onward, 0)

    # --- delivery ---

    def _is_junk(self, rcpt: str) -> bool:
        action = self._verdict(rcpt).action
        spam = self.held.spam and action != NEVER_JUNK
        return self.held.quarantined or action == JUNK or spam

    async def _deliver(self, routed: Expansion, ruled: Ruled) -> tuple[Outgoing, Handled | None]:
        core, message, own = self.core, self.message, self.organization
        self.telling.add(
            await routes.reports(core, own, message, routed, inside=self.submitted == own)
        )
        roles = ruled.roles(routed)
        if self.held.direction == INBOUND:
            roles = {one.mailbox: folders.JUNK for one in routed.local if self._is_junk(one.rcpt)}
        made = await placing.make_outgoing(
            core, message, routed, home=own, direction=self.direction, roles=roles
        )
        handled = None
        if made.deliveries:
            handled = await personal.apply(
                core,
                message,
                made.deliveries,
                [
                    Person(one.organization, one.mailbox, one.rcpt, one.quota - one.bytes)
                    for one in routed.local
                ],
                direction=self.direction,
                redirects=self.redirects,
            )
        items = handled.placed if handled is not None else made.deliveries
        paths = handled.paths if handled is not None else arrivals.NO_PATHS
        await self.telling.arrived(routed, items, paths)
        if message.envelope.wishes:
            delivered = without_rejected(made, handled)
            self.telling.also += await confirming.confirm_delivered(
                core, message, routed, delivered, own
            )
        return made, handled


def _elsewhere(routed: Expansion, added: Mapping[str, str]) -> list[str]:
    """Those of the added that count for the sender: elsewhere, and remote users."""
    remote = [one.rcpt for one in routed.forwards if not one.by]
    return [one for one in (*routed.external, *remote) if one in added]

"""What becomes of a message when the function that it waited for has answered, or will not.

The row of the queue is settled in one transaction (invariant 3): each recipient is dropped,
bounced, delivered to, or waits elsewhere in the queue; outbound the inbound rules of recipients
here come next, which may hold it again. The message is the one that the function left, or the
original. It was journaled and counted against limits when it was accepted; what a function adds,
and what people have begun to forward since, counts now.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.routing import Expansion
from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Settlement
from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DROP,
    INBOUND,
)
from workpost.formats.addresses import fold
from workpost.kernel.errors import Fault, LimitExceeded, MailboxNotFound, QuotaExceeded
from workpost.operations.mailflow import delivering, holding, rule_telling
from workpost.operations.mailflow.answered import Answer, Answered, Waiting, resolve
from workpost.operations.mailflow.counting import count
from workpost.operations.mailflow.delivering import Delivery
from workpost.operations.mailflow.entries import Message, reopen_envelope
from workpost.operations.mailflow.envelope import NO_WISH
from workpost.operations.mailflow.release_admission import admit
from workpost.operations.mailflow.release_routing import Router, find_added
from workpost.operations.mailflow.release_telling import Telling
from workpost.operations.mailflow.ruling import Ruled
from workpost.operations.mailflow.trace import Stamped
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
        settlement = await _decide(core, waiting, answer, answered, adds=adds, redirects=redirects)
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


async def _decide(
    core: Core, waiting: Waiting, answer: Answer, answered: Answered, *, adds: bool, redirects: bool
) -> Settlement:
    """What one transaction writes, after one look at where the recipients go."""
    redirects = redirects and waiting.held.redirects
    going = {
        fold(one.address): one.address
        for one in waiting.recipients
        if answered.verdict(fold(one.address)).action not in (DROP, BOUNCE)
    }
    added, strangers = await find_added(core, waiting, answered)
    going |= added
    message = _message(waiting, list(going.values()))
    routed, ruled = await Router(core, waiting, answered, message, redirects=redirects).route(going)
    admitted = await admit(core, waiting, routed, added, elsewhere=adds)
    routed = admitted.routed
    telling = Telling(core, waiting, answered, message)
    await telling.too_many(admitted.over)
    ignored = [*answered.ignored, *strangers, *admitted.nobody]
    await telling.applied(answer, admitted.added, ignored)
    await telling.bounce()
    if ruled.policies:
        # Nothing here is forged: people here have sent it.
        telling.add(await rule_telling.tell(core, message, ruled, proven=True))
        await telling.journal(ruled)
    await telling.unreached(routed)
    given = await _deliver(core, waiting, answered, message, routed, ruled, redirects)
    handled = given.handled
    await telling.arrived(routed, handled.placed, handled.paths)
    telling.also += await delivering.confirm(core, message, routed, given, waiting.organization)
    known = _known(waiting, set(going.values()), redirects)
    made = await holding.hold(core, message, ruled, given.made, known)
    return Settlement(
        queue=waiting.lease.leased.id,
        number=waiting.number,
        fence=waiting.lease.fence,
        deliveries=handled.items,
        reports=telling.also + handled.also,
        events=telling.events + handled.events,
        queued=made.queued + handled.queued,
        charges=admitted.charges + handled.charges,
        answers=handled.answers,
        memories=handled.memories,
    )


def _message(waiting: Waiting, recipients: list[str]) -> Message:
    """The message that goes on, as it was accepted or as the function left it."""
    old = waiting.envelope
    wishes = {one.address: one.wish for one in waiting.recipients if one.wish != NO_WISH}
    envelope = msgspec.structs.replace(
        reopen_envelope(old, recipients),
        wishes={one: wishes[one] for one in recipients if one in wishes},
        owner=old.owner,
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
        waiting.lease.leased.since,
    )


async def _deliver(
    core: Core,
    waiting: Waiting,
    answered: Answered,
    message: Message,
    routed: Expansion,
    ruled: Ruled,
    redirects: bool,
) -> Delivery:
    held, roles = waiting.held, ruled.roles(routed)
    if held.direction == INBOUND:
        roles = {
            one.mailbox: folders.JUNK for one in routed.local if answered.is_junk(held, one.rcpt)
        }
    return await delivering.deliver(
        core,
        message,
        routed,
        home=waiting.organization,
        direction=waiting.lease.leased.direction,
        roles=roles,
        redirects=redirects,
    )


def _known(waiting: Waiting, sent: set[str], redirects: bool) -> holding.Known:
    """What the next function is told with, where a further rule keeps the message waiting."""
    held = waiting.held
    left = (one.address for one in waiting.recipients if one.address not in sent)
    return holding.Known(
        submitter=held.submitter,
        redirects=redirects,
        others=held.others,
        apart=(*held.apart, *left),
        concerned=held.concerned,
        charged=held.charged,
    )

"""Delivery of a message: what one transaction writes of it, or of a row of the queue.

It holds the content, every placement, the queue rows of the other recipients and the event that
proves it (invariant 3).
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages.placement import Placement, place_each
from workpost.domain.messages.prepare import NewItem
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import (
    LimitExceeded,
    StaleGrant,
)
from workpost.kernel.principal import Grant, Right
from workpost.store.content.types import Placed
from workpost.store.database.unit import Tx, command
from workpost.store.tables import (
    contents,
    in_force,
    queue,
    sending,
    sieve_memory,
)
from workpost.store.tables.events import NewEvent, insert_event
from workpost.store.tables.jobs import database_now
from workpost.store.tables.queue import WAITING, NewQueueEntry, NewQueueRecipient
from workpost.store.tables.queue_kinds import is_for_function
from workpost.store.tables.sieve_memory import Memory


class Queued(msgspec.Struct, frozen=True):
    """A queue entry of one organization with its recipients."""

    entry: NewQueueEntry
    recipients: list[NewQueueRecipient]


class Outgoing(msgspec.Struct, frozen=True):
    """One message on its way: a content, the items that hold it, the queue rows of the others."""

    content: Placed
    deliveries: list[NewItem]
    queued: list[Queued]


class Charge(msgspec.Struct, frozen=True, array_like=True):
    """What a message counts of somebody's limits of the day; 0 recipients or limit: not counted."""

    organization: str
    entity: str
    account: str
    external: int
    user_limit: int
    account_limit: int
    test: int = 0
    test_limit: int = 0


class Answer(msgspec.Struct, frozen=True):
    """A message that is written only where its memory is new: each sender is answered once.

    It waits in the queue whoever it is for, as do the `reports` of it; `events` tell of those.
    """

    memory: Memory
    message: Outgoing
    reports: list[Outgoing] = []
    events: list[NewEvent] = []


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one leased row of the queue, decided before the transaction.

    Each recipient of its batch is in one of: `deliveries`, `rest` (sealed anew; they wait
    `delay_ms` or are held), the `events` that tell who was given up. `report` is the DSN about
    the latter, `reports` are those that wait in the queue themselves and what personal rules send.
    `queued` are further rows of the same content, `answers` and `memories` as for `deliver`.
    """

    queue: int
    number: int
    fence: int
    deliveries: list[NewItem] = []
    rest: bytes | None = None
    state: str = WAITING
    delay_ms: int = 0
    report: Outgoing | None = None
    reports: list[Outgoing] = []
    events: list[NewEvent] = []
    queued: list[Queued] = []
    charges: list[Charge] = []
    answers: list[Answer] = []
    memories: list[Memory] = []


NO_CHARGES: list[Charge] = []
NOTHING: list[Outgoing] = []
NO_ANSWERS: list[Answer] = []
NO_MEMORIES: list[Memory] = []


@command
def deliver(
    tx: Tx,
    *,
    grant: Grant | None,
    content: Placed,
    deliveries: list[NewItem],
    queued: list[Queued],
    events: list[NewEvent],
    charges: list[Charge] = NO_CHARGES,
    also: list[Outgoing] = NOTHING,
    answers: list[Answer] = NO_ANSWERS,
    memories: list[Memory] = NO_MEMORIES,
    unruled: list[int] | None = None,
) -> list[Placement]:
    """Accept one message: into each mailbox of `deliveries`, and into the queue for all others.

    `grant` is the submitter's, None for mail from outside; `also` are messages that go with it,
    reports about its recipients; `answers` and `memories` come of personal rules. `unruled` is set
    where the submitter's organization was taken to have no rules, nor these mailboxes of it.
    Raises StaleGrant, also where such rules were made meanwhile; QuotaExceeded or MailboxNotFound
    when one mailbox cannot take it, LimitExceeded when somebody has sent enough today: nothing is
    written, the caller looks again.
    """
    if grant is not None:
        check_grant(tx, grant, Right.SEND)
        if unruled is not None:
            _check_unruled(tx, grant.organization, unruled)
    # What may be refused comes first: a command that wrote nothing is cheap to take back.
    items = [*deliveries, *(item for one in also for item in one.deliveries)]
    placed = place_each(tx, items)
    _insert_content_and_queue(tx, Outgoing(content, deliveries, queued))
    for one in also:
        _insert_content_and_queue(tx, one)
    _write_answers(tx, answers, memories)
    for event in events:
        insert_event(tx, event)
    if charges:
        # Last: whoever sends at the same moment waits for these rows until the commit.
        _charge(tx, charges)
    return placed


def _check_unruled(tx: Tx, organization: str, mailboxes: list[int]) -> None:
    if not in_force.is_nothing(tx, org=organization, mailboxes=mailboxes):
        raise StaleGrant("Somebody has made rules meanwhile.")


def insert_outgoing(tx: Tx, message: Outgoing) -> None:
    """Write a message of our own with its items and queue rows.

    Raises QuotaExceeded or MailboxNotFound when one mailbox cannot take it.
    """
    place_each(tx, message.deliveries)
    _insert_content_and_queue(tx, message)


def _charge(tx: Tx, charges: list[Charge]) -> None:
    """Count a message against the limits of the day, rows in one order for everyone."""
    for one in sorted(charges, key=lambda each: (each.organization, each.entity)):
        if one.external and one.user_limit:
            counted = sending.take_user(
                tx,
                org=one.organization,
                entity=one.entity,
                count=one.external,
                limit=one.user_limit,
            )
            if not counted:
                raise LimitExceeded(
                    "You have sent to as many recipients elsewhere, or for later, as a day allows."
                )
    for one in sorted(charges, key=lambda each: each.account):
        for kind, count, limit in (
            (sending.EXTERNAL, one.external, one.account_limit),
            (sending.TEST, one.test, one.test_limit),
        ):
            if count and limit:
                counted = sending.take_account(
                    tx, account=one.account, kind=kind, count=count, limit=limit
                )
                if not counted:
                    raise LimitExceeded(_ENOUGH[kind])


_ENOUGH = {
    sending.EXTERNAL: "The account has sent to as many recipients elsewhere as a day allows.",
    sending.TEST: "The account has sent as much mail from test domains as a day allows.",
}


@command
def record(tx: Tx, *, events: list[NewEvent]) -> None:
    """Write what became of a message that is not taken."""
    for event in events:
        insert_event(tx, event)


def _insert_content_and_queue(tx: Tx, message: Outgoing) -> None:
    if message.deliveries or message.queued:
        contents.insert_content(tx, message.content)
    _insert_queue(tx, message.queued)


def _insert_queue(tx: Tx, queued: list[Queued]) -> None:
    functions = False
    for waiting in queued:
        queue.insert_entry(tx, waiting.entry, waiting.recipients, created=tx.env.now())
        functions |= any(is_for_function(each.route) for each in waiting.recipients)
    if queued:
        # Whoever hears the whole kind hears both.
        tx.announce(queue.HINTS, queue.FUNCTIONS if functions else "")


def _write_answers(tx: Tx, answers: list[Answer], memories: list[Memory]) -> None:
    """Remember, and send what nobody has sent meanwhile."""
    for answer in answers:
        if sieve_memory.remember(tx, answer.memory):
            for message in (answer.message, *answer.reports):
                _insert_content_and_queue(tx, message)
            for event in answer.events:
                insert_event(tx, event)
    for memory in memories:
        sieve_memory.remember(tx, memory)


@command
def settle_queued(tx: Tx, *, settlement: Settlement) -> bool:
    """Move exactly the recipients of one leased row to where `settlement` has them.

    False, and nothing is written, when the lease was lost: someone else has the row. Raises
    QuotaExceeded or MailboxNotFound when one mailbox cannot take it after all, LimitExceeded when
    somebody whose rules send it on has sent enough today, with nothing written: the caller looks
    again.
    """
    done = settlement
    if done.number not in queue.still_leased(tx, queue=done.queue, fence=done.fence):
        return False
    items = list(done.deliveries)
    if done.report is not None:
        _insert_content_and_queue(tx, done.report)
        items += done.report.deliveries
    for report in done.reports:
        _insert_content_and_queue(tx, report)
        items += report.deliveries
    place_each(tx, items)
    _insert_queue(tx, done.queued)
    _write_answers(tx, done.answers, done.memories)
    for event in done.events:
        insert_event(tx, event)
    if done.charges:
        _charge(tx, done.charges)
    if done.rest is not None:
        due = database_now(tx) + done.delay_ms
        queue.reduce(tx, queue=done.queue, number=done.number, sealed=done.rest)
        queue.put_back(tx, queue=done.queue, numbers=[done.number], state=done.state, due=due)
        return True
    content = queue.finish(tx, queue=done.queue, numbers=[done.number])
    if content is not None:
        contents.release_content(tx, content)
    return True

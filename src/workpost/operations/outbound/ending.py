"""The one transaction that ends an attempt: each leased recipient goes to exactly one place.

Delivered and given up leave the queue, with the events and reports that tell of them; the others
go back to wait. All of it or nothing, and only under the fence of the lease (invariant 3).
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages.delivery import Outgoing, insert_outgoing
from workpost.store.database.unit import Tx, command
from workpost.store.tables import contents, queue, queue_routes, suppressions
from workpost.store.tables.events import NewEvent, insert_event
from workpost.store.tables.jobs import database_now
from workpost.store.tables.queue import WAITING
from workpost.store.tables.queue_routes import Trouble
from workpost.store.tables.suppressions import NewSuppression

HASTENED = 1_000
"""Rows of a destination that is back which become due at once; the others come in their time."""
EXPIRED = 20
"""Old suppressions that are removed with each new one."""


class Later(msgspec.Struct, frozen=True):
    """A recipient that goes back to the queue, sealed anew when there is something to remember."""

    number: int
    delay_ms: int
    sealed: bytes
    noticed: bool = False
    state: str = WAITING


class Closing(msgspec.Struct, frozen=True):
    """A destination that was not reached and is to be left alone for a while."""

    failures: int
    delay_ms: int
    status: str
    reason: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the recipients of one lease, decided before the transaction.

    `done` have left the queue for good, `later` stay. `reports` wait in the queue themselves, so
    that no full mailbox is in the way of this transaction.
    """

    queue: int
    fence: int
    route: str
    done: list[int] = []
    later: list[Later] = []
    reports: list[Outgoing] = []
    events: list[NewEvent] = []
    suppress: list[NewSuppression] = []
    closing: Closing | None = None
    reached: bool = False
    """The destination was in trouble and is reached again."""


@command
def end_attempt(tx: Tx, *, ending: Ending) -> list[int]:
    """Write down an attempt's end; returns the recipients that the fence still covers.

    Nothing is written unless these are all that `ending` speaks of.
    """
    told = sorted([*ending.done, *(each.number for each in ending.later)])
    covered = queue.still_leased(tx, queue=ending.queue, fence=ending.fence)
    if told != sorted(covered.intersection(told)):
        return sorted(covered)
    for report in ending.reports:
        insert_outgoing(tx, report)
    for event in ending.events:
        insert_event(tx, event)
    now = database_now(tx)
    _remember(tx, ending, now)
    for each in ending.later:
        queue.put_later(
            tx,
            queue=ending.queue,
            number=each.number,
            state=each.state,
            due=now + each.delay_ms,
            sealed=each.sealed,
            noticed=each.noticed,
        )
    if ending.done:
        content = queue.finish(tx, queue=ending.queue, numbers=ending.done)
        if content is not None:
            contents.release_content(tx, content)
    return told


def _remember(tx: Tx, ending: Ending, now: int) -> None:
    if ending.suppress:
        suppressions.expire_suppressions(tx, now=tx.env.now(), limit=EXPIRED)
    for each in ending.suppress:
        suppressions.put_suppression(tx, each)
    closing = ending.closing
    if closing is not None:
        trouble = Trouble(
            ending.route,
            now,
            now + closing.delay_ms,
            closing.failures,
            closing.status,
            closing.reason,
        )
        queue_routes.put_trouble(tx, trouble)
    elif ending.reached and queue_routes.clear_trouble(tx, route=ending.route):
        queue_routes.hasten(tx, route=ending.route, now=now, limit=HASTENED)
        tx.announce(queue.HINTS, "")


@command
def give_back(
    tx: Tx, *, queue_id: int, fence: int, delay_ms: int, state: str, tried: bool = True
) -> None:
    """Put all rows of a lease back as they were; nothing where the lease is lost.

    With `tried` False the attempt is not counted: it never reached the message.
    """
    covered = queue.still_leased(tx, queue=queue_id, fence=fence)
    numbers = sorted(covered)
    due = database_now(tx) + delay_ms
    queue.put_back(tx, queue=queue_id, numbers=numbers, state=state, due=due)
    if not tried:
        queue.uncount(tx, queue=queue_id, numbers=numbers)


@command
def forget(tx: Tx, *, queue_id: int, fence: int) -> None:
    """End all rows of a lease without a word: the keys of their organization are destroyed."""
    covered = queue.still_leased(tx, queue=queue_id, fence=fence)
    if covered:
        content = queue.finish(tx, queue=queue_id, numbers=sorted(covered))
        if content is not None:
            contents.release_content(tx, content)

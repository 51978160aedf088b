"""What becomes of a leased row of the local queue: delivered, waiting on, or given up.

Each recipient of the row ends in exactly one place, in one transaction (invariant 3):

- there is room: delivered;
- the mailbox is full or disabled: waits a quarter of an hour, and is given up after a day;
- the mailbox was destroyed: given up at once;
- its keys do not open: waits, and after a day is held for the operator.

Who is given up is in an event, and the sender hears of it as `bounces.py` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from workpost.domain.messages import delivery
from workpost.domain.messages.delivery import Settlement
from workpost.domain.messages.prepare import NewItem, seal_item
from workpost.domain.messages.shell import mailbox_keys, summary_of
from workpost.formats.addresses import fold
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import (
    Fault,
    KeyDestroyed,
    LimitExceeded,
    MailboxNotFound,
    QuotaExceeded,
)
from workpost.kernel.logging import logger
from workpost.operations.mailflow import arrivals, bounces, confirming, personal, trace
from workpost.operations.mailflow.bounces import GivenUp
from workpost.operations.mailflow.counting import count as count_mail
from workpost.operations.mailflow.entries import Message, reopen_envelope, seal_batch
from workpost.operations.mailflow.envelope import StoredEnvelope, StoredRecipient
from workpost.operations.mailflow.opening import open_entry
from workpost.operations.mailflow.personal import Handled, Person
from workpost.operations.mailflow.queueing import Lease
from workpost.operations.mailflow.reports import About
from workpost.operations.mailflow.trace import Stamped
from workpost.store.content.squeezing import squeeze
from workpost.store.content.types import Placed
from workpost.store.core import Core
from workpost.store.tables import mailboxes
from workpost.store.tables.events import NewEvent
from workpost.store.tables.mailboxes import MailboxRow
from workpost.store.tables.queue import HELD, WAITING

RETRY_MS = 15 * 60_000
GIVE_UP_MS = 24 * 3_600_000
"""How long a message waits for a mailbox here (decisions 19)."""
ATTEMPTS = 4
"""How often a row is looked at again when mailboxes change under our hands."""
YIELD = 25
"""Items sealed before the loop gets its turn."""

GONE = ("5.1.1", "The mailbox does not exist any more.")
DISABLED = ("5.2.1", "The mailbox is disabled.")
FULL = ("5.2.2", "The mailbox is full.")

log = logger("mailflow")


class Opened(msgspec.Struct, frozen=True):
    """A leased row and its message in clear."""

    lease: Lease
    key: bytes
    number: int
    content_key: bytes
    envelope: StoredEnvelope
    raw: bytes
    summary: Summary
    recipients: list[StoredRecipient]


async def open_leased(core: Core, lease: Lease) -> Opened:
    """Open the one row of a lease. Raises Fault, KeyDestroyed, TryLater."""
    entry = lease.leased
    opened = await open_entry(core, entry)
    [(number, people)] = opened.people.items()
    raw = await core.contents.get(entry.content, opened.content_key)
    summary = await summary_of(raw)
    return Opened(
        lease, opened.key.key, number, opened.content_key, opened.envelope, raw, summary, people
    )


async def settle(core: Core, opened: Opened) -> None:
    """Settle an opened row. Raises Fault when its mailboxes do not come to rest, TryLater."""
    redirects = not opened.envelope.claimed
    for _ in range(ATTEMPTS):
        settlement = await _decide(core, opened, redirects=redirects)
        try:
            if await core.store.write_background(delivery.settle_queued, settlement=settlement):
                count_mail(settlement.events)
            return
        except LimitExceeded:
            # Somebody whose rules send it on has sent enough today.
            redirects = False
        except (QuotaExceeded, MailboxNotFound):
            continue
    raise Fault("the recipients' mailboxes keep changing")


class _Sorted:
    """The recipients of a row by what becomes of them."""

    def __init__(self, stored: bytes) -> None:
        self.stored = stored
        self.ready: list[NewItem] = []
        self.people: list[Person] = []
        self.delivered: list[StoredRecipient] = []
        self.late: list[tuple[StoredRecipient, tuple[str, str]]] = []
        self.gone: list[StoredRecipient] = []
        self.broken: list[StoredRecipient] = []


async def _decide(core: Core, opened: Opened, *, redirects: bool) -> Settlement:
    entry = opened.lease.leased
    found = await _sort(core, opened)
    ruled = await _rule(core, opened, found, redirects=redirects)
    given_up = [GivenUp(one.address, *GONE, one.wish) for one in found.gone]
    waiting = list(found.broken)
    expired = core.env.now() - entry.since >= GIVE_UP_MS
    if expired:
        given_up += [GivenUp(one.address, *why, one.wish) for one, why in found.late]
    else:
        waiting += [one for one, _ in found.late]
    about = About(
        organization=entry.org,
        envelope=opened.envelope,
        raw=opened.raw,
        summary=opened.summary,
        arrival=entry.created,
    )
    report, events = await bounces.give_up(core, about, given_up)
    delivered = [one for one in found.delivered if one.mailbox not in ruled.rejected]
    reports = await confirming.confirm_queued(core, about, delivered)
    if placed := ruled.placed:
        events.append(await _delivered(core, opened, placed, ruled.paths))
    rest = None
    if waiting:
        rest = seal_batch(opened.key, entry.org, entry.id, opened.number, waiting)
    return Settlement(
        queue=entry.id,
        number=opened.number,
        fence=opened.lease.fence,
        deliveries=ruled.items,
        rest=rest,
        state=HELD if expired else WAITING,
        delay_ms=RETRY_MS,
        report=report,
        reports=reports + ruled.also,
        events=events + ruled.events,
        queued=ruled.queued,
        charges=ruled.charges,
        answers=ruled.answers,
        memories=ruled.memories,
    )


async def _rule(core: Core, opened: Opened, found: _Sorted, *, redirects: bool) -> Handled:
    """What the rules of those say who are delivered to."""
    if not found.ready:
        return Handled([])
    entry, envelope = opened.lease.leased, opened.envelope
    message = Message(
        Stamped(envelope.trace, opened.raw, envelope.skip),
        reopen_envelope(envelope, [one.address for one in found.delivered]),
        opened.summary,
        found.stored,
        Placed(entry.content, len(opened.raw), 0, None),
        opened.content_key,
        entry.since,
    )
    return await personal.apply(
        core,
        message,
        found.ready,
        found.people,
        direction=entry.direction,
        redirects=redirects,
    )


async def _delivered(
    core: Core, opened: Opened, placed: list[NewItem], paths: Mapping[int, str]
) -> NewEvent:
    people = {one.mailbox: one.address for one in opened.recipients}
    mailboxes = {item.mailbox for item in placed}
    story = {
        "traceId": opened.envelope.trace,
        "messageId": opened.summary.message_id,
        "recipients": [one.address for one in opened.recipients if one.mailbox in mailboxes],
        **arrivals.delivered(placed, people, paths),
    }
    return await trace.seal_event(core, opened.lease.leased.org, arrivals.DELIVERED, story)


async def _sort(core: Core, opened: Opened) -> _Sorted:
    wanted = [one.mailbox for one in opened.recipients]
    rows = await core.store.read(mailboxes.get_mailboxes, mailboxes=wanted)
    stored = squeeze(opened.summary.pack())
    found = _Sorted(stored)
    for count, one in enumerate(opened.recipients):
        if count % YIELD == YIELD - 1:
            await asyncio.sleep(0)
        row = rows.get(one.mailbox)
        why = _obstacle(row, opened.lease.leased.org, len(opened.raw))
        if why == GONE:
            found.gone.append(one)
        elif why is not None:
            found.late.append((one, why))
        elif row is not None:
            try:
                found.ready.append(await _item(core, opened, stored, one))
                found.delivered.append(one)
                rcpt, room = one.rcpt or fold(one.address), row.quota - row.bytes
                found.people.append(Person(row.org, one.mailbox, rcpt, room))
            except KeyDestroyed:
                found.gone.append(one)
            except Fault as error:
                log.error("a mailbox's keys do not open", mailbox=one.mailbox, error=error.message)
                found.broken.append(one)
    return found


def _obstacle(row: MailboxRow | None, organization: str, size: int) -> tuple[str, str] | None:
    """Why a mailbox cannot take the message now, None when it can."""
    if row is None or row.org != organization or row.state == mailboxes.PURGING:
        return GONE
    if row.state != mailboxes.ACTIVE:
        return DISABLED
    return FULL if row.bytes + size > row.quota else None


async def _item(core: Core, opened: Opened, stored: bytes, recipient: StoredRecipient) -> NewItem:
    entry = opened.lease.leased
    return seal_item(
        core.env,
        await mailbox_keys(core, entry.org, recipient.mailbox),
        summary=opened.summary,
        stored=stored,
        content=entry.content,
        content_key=opened.content_key,
        size=len(opened.raw),
        received=entry.since,
        role=recipient.role,
    )

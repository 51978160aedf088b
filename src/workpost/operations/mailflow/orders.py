"""What operators order the queue to do, and senders who take their mail back.

Rows on which somebody works at this moment are left alone; the caller hears how many there are.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec

from workpost.domain.messages.delivery import Outgoing, insert_outgoing
from workpost.domain.messages.shell import summary_of
from workpost.domain.organizations.flow_rules import INBOUND
from workpost.kernel.errors import Fault, InvalidParameter, KeyDestroyed
from workpost.kernel.logging import logger
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import bounces, explaining, reports, trace
from workpost.operations.mailflow import envelope as stored
from workpost.operations.mailflow.bounces import seal_bounces
from workpost.operations.mailflow.opening import OpenedEntry, open_entry
from workpost.operations.mailflow.pipeline import owner_of
from workpost.operations.mailflow.reports import FAILED, About, Told
from workpost.operations.mailflow.ruling import UNPROVEN
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import contents, queue, queue_orders, queue_routes
from workpost.store.tables.events import NewEvent, insert_event
from workpost.store.tables.jobs import database_now
from workpost.store.tables.queue import HELD, LEASED, WAITING, LeasedEntry
from workpost.store.tables.queue_kinds import LOCAL
from workpost.store.tables.queue_orders import Choice

PAGE = 200
LEASE_MS = 60_000
STATUS = "5.3.0"
TAKEN_BACK = "OUTGOING_EMAIL_TAKEN_BACK"
DROPPED_OUT = "OUTGOING_EMAIL_BOUNCED"
TRACE_DIGITS = 16

_TRACE = re.compile(r"[0-9a-f]{16}")

log = logger("mailflow")


class Ordered(msgspec.Struct):
    """How many rows an order changed, and how many were left because somebody works on them."""

    changed: int = 0
    busy: int = 0


def named(which: str) -> Choice:
    """The rows of a message named by its trace id (16 hexadecimal digits) or its queue id.

    Raises InvalidParameter.
    """
    if _TRACE.fullmatch(which.lower()):
        return Choice(trace=which.lower())
    if which.isascii() and which.isdecimal() and len(which) < 20 and 0 < int(which) < 1 << 63:
        return Choice(queue=int(which))
    raise InvalidParameter(f"{which} is neither a trace id nor the id of a queue entry.")


async def retry(core: Core, choice: Choice) -> Ordered:
    """Let the chosen rows be due now, held ones too; their destinations are tried at once.

    Mail that is held for its sender goes before its time only where it is named by itself.
    """
    return await _order(core, choice, WAITING, now=True)


async def hold(core: Core, choice: Choice) -> Ordered:
    """Keep the chosen rows until they are told to go on."""
    return await _order(core, choice, HELD, now=False)


async def _order(core: Core, choice: Choice, state: str, *, now: bool) -> Ordered:
    done = Ordered()
    async for page in _pages(core, choice):
        changed = await core.store.write_background(
            order_rows,
            rows=[(entry, n) for entry, n, _, _ in page],
            state=state,
            now=now,
            early=bool(choice.trace or choice.queue),
            routes=sorted({route for *_, route in page if route != LOCAL}) if now else [],
        )
        done.changed += changed
        done.busy += len(page) - changed
    return done


async def _pages(core: Core, choice: Choice) -> AsyncIterator[list[tuple[int, int, str, str]]]:
    after = (0, -1)
    while True:
        page = await core.store.read(queue_orders.choose, choice=choice, after=after, limit=PAGE)
        if page:
            yield page
            after = (page[-1][0], page[-1][1])
        if len(page) < PAGE:
            return


@command
def order_rows(
    tx: Tx, *, rows: list[tuple[int, int]], state: str, now: bool, early: bool, routes: list[str]
) -> int:
    """Change the state of rows that nobody works on; returns how many.

    With `now` they are due at once, and the trouble of their destinations is forgotten; unless
    `early`, those that are held for their sender stay so.
    """
    for route in routes:
        queue_routes.clear_trouble(tx, route=route)
    due = database_now(tx) if now else None
    changed = queue_orders.order(tx, rows=rows, state=state, due=due, early=early)
    if now:
        tx.announce(queue.HINTS, queue.FUNCTIONS)
    return changed


# --- taking messages out ---


async def drop(core: Core, choice: Choice, *, silent: bool = False) -> Ordered:
    """Take the chosen rows out of the queue for good; senders are told unless `silent`."""
    done = Ordered()
    async for page in _pages(core, choice):
        for entry in dict.fromkeys(each for each, *_ in page):
            numbers = [n for each, n, _, _ in page if each == entry]
            count = await _drop(core, entry, numbers, silent=silent)
            done.changed += count
            done.busy += len(numbers) - count
    return done


async def _drop(core: Core, entry: int, numbers: list[int], *, silent: bool) -> int:
    fence = core.env.new_id()
    leased = await core.store.write_background(
        hold_rows, entry=entry, numbers=numbers, fence=fence, lease_ms=LEASE_MS
    )
    if leased is None:
        return 0
    report: Outgoing | None = None
    events: list[NewEvent] = []
    try:
        opened = await open_entry(core, leased)
        report, events = await _tell(core, leased, opened, silent=silent)
    except (Fault, KeyDestroyed) as error:
        log.warning("what is dropped does not open", queue=entry, error=error.message)
    taken = [n for n, _, _ in leased.recipients]
    await core.store.write_background(
        take_out, entry=entry, numbers=taken, fence=fence, report=report, events=events
    )
    return len(taken)


async def _tell(
    core: Core, leased: LeasedEntry, opened: OpenedEntry, *, silent: bool
) -> tuple[Outgoing | None, list[NewEvent]]:
    held = opened.envelope.held
    if held is not None and held.asynchronous:
        # Its recipients have the message: only a function does not hear of it.
        return None, []
    raw = await core.contents.get(leased.content, opened.content_key)
    about = About(
        organization=leased.org,
        envelope=opened.envelope,
        raw=raw,
        summary=await summary_of(raw),
        arrival=leased.created,
    )
    reason, advice = explaining.DROPPED
    people = [one for batch in opened.people.values() for one in batch]
    told = [
        Told(
            address=one.address,
            action=FAILED,
            status=STATUS,
            reason=reason,
            advice=advice,
            wish=one.wish,
        )
        for one in people
    ]
    report: Outgoing | None = None
    outcome = dict.fromkeys((one.address for one in told), "none: the operator wanted none")
    if held is not None and not held.proven:
        outcome = dict.fromkeys(outcome, UNPROVEN)
    elif not silent:
        report, outcome = await reports.make_report(core, about, told, direct=0)
    here = any(one.mailbox for one in people)
    here = here or (held is not None and held.direction == INBOUND)
    kind = bounces.BOUNCED if here else DROPPED_OUT
    return report, await seal_bounces(core, kind, about, told, outcome)


@command
def hold_rows(
    tx: Tx, *, entry: int, numbers: list[int], fence: int, lease_ms: int
) -> LeasedEntry | None:
    """Lease rows of an entry, waiting or held, that nobody works on."""
    until = database_now(tx) + lease_ms
    return queue.lease_kept(tx, queue=entry, numbers=numbers, lease_until=until, fence=fence)


@command
def take_out(
    tx: Tx,
    *,
    entry: int,
    numbers: list[int],
    fence: int,
    report: Outgoing | None,
    events: list[NewEvent],
) -> None:
    """End rows that are held under the fence, with the report and events that tell of it."""
    covered = queue.still_leased(tx, queue=entry, fence=fence)
    if not covered.issuperset(numbers):
        return
    if report is not None:
        insert_outgoing(tx, report)
    for event in events:
        insert_event(tx, event)
    _finish(tx, entry, numbers)


def _finish(tx: Tx, entry: int, numbers: list[int]) -> None:
    content = queue.finish(tx, queue=entry, numbers=numbers)
    if content is not None:
        contents.release_content(tx, content)


# --- undo send ---


async def take_back(core: Core, grant: Grant, trace_id: str) -> bool:
    """Undo the sending of a message that its sender submitted with `hold_until`.

    False when it is too late, or the message is not theirs. All recipients are taken back, or none.
    Raises KeyDestroyed, TryLater.
    """
    choice = Choice(trace=trace_id)
    rows = await core.store.read(queue_orders.list_entries, choice=choice, after=(0, -1), limit=1)
    if not rows:
        return False
    entry, org, gen, sealed = rows[0][0], rows[0][1], rows[0][7], rows[0][8]
    key = await core.keys.organization(org, gen)
    place = sealing.place("queue", "sealed_envelope", org, "queue", entry)
    envelope = stored.decode_envelope(sealing.unseal(key.key, sealed, place))
    if envelope.owner != owner_of(grant):
        return False
    story = {"traceId": trace_id, "from": envelope.sender, "actor": grant.entity}
    event = await trace.seal_event(core, grant.organization, TAKEN_BACK, story)
    taken: bool = await core.store.write(remove_held, trace=trace_id, event=event)
    return taken


@command
def remove_held(tx: Tx, *, trace: str, event: NewEvent) -> bool:
    """Take a message out of the queue if nobody had a chance to get it; tells whether it did."""
    now = database_now(tx)
    rows = queue_orders.rows_of_trace(tx, trace=trace)
    if not rows:
        return False
    for _, _, _, state, _, hold_until in rows:
        if state == LEASED or hold_until is None or hold_until <= now:
            return False
    for entry in sorted({row[0] for row in rows}):
        _finish(tx, entry, [row[2] for row in rows if row[0] == entry])
    insert_event(tx, event)
    return True

"""Bringing mail events and audit logs to their log groups: the job `monitoring.ship`.

There is a job for an organization while something of it waits (`schedule_shipping`), so each is
worked on by one node at a time, and an organization whose log group is out of reach keeps no other
waiting for longer than its time-outs. Events are marked, and lines of audit logs deleted, after the
group has taken them: what a crash cuts short is told again (at least once), in order of time. While
the group is out of reach, or not there, everything waits in the store, sealed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from workpost.domain.organizations import monitoring as configurations
from workpost.domain.organizations.log_groups import DEFAULT, find_group, open_group
from workpost.domain.organizations.monitoring import SHIP
from workpost.formats.event_lines import lines_of
from workpost.integrations.logs.base import MAX_LINE, GroupMissing, Line, LogGroup
from workpost.kernel.errors import (
    Fault,
    InvalidParameter,
    KeyDestroyed,
    ResourceNotFound,
    TryLater,
    WorkpostError,
)
from workpost.kernel.log_groups import MappedGroup, find_audit_log
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.operations.jobs.runner import JobRunner, finish, put_back
from workpost.operations.monitoring.chunks import open_chunk
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Row, Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import events, jobs, monitoring, organizations, service_logs
from workpost.store.tables.jobs import Lease
from workpost.store.tables.monitoring import MonitoringRow
from workpost.store.tables.service_logs import LogChunk

PAGE = 200
"""Events, or chunks of lines, that are opened at once."""
PORTION_BYTES = 900_000
"""Of lines, after which the group is given what there is."""
LEASE_MS = 60_000
RETRY_MS = 30_000
GROUPS = 1_000
"""Clients of log groups that a process keeps."""

LINES = counter("workpost_log_lines_total", "Lines that log groups took.", "log")
REFUSED = counter("workpost_log_lines_refused_total", "Lines that log groups refused for good.")
UNREADABLE = counter("workpost_log_unreadable_total", "Events that could not be opened.")
DELAYS = counter("workpost_log_delays_total", "Attempts at log groups that were put off.")

DELAYED = (GroupMissing, TryLater, ResourceNotFound, InvalidParameter)
"""Why a log group is tried again later."""

log = logger("monitoring")


# --- what waits -----------------------------------------------------------------------------------


def _dedupe(organization: str) -> str:
    return f"ship/{organization}"


def find_waiting(tx: Reader) -> list[str]:
    """Organizations of which something waits and that have no job for it."""
    found = set()
    for following in (events.next_unsent, service_logs.next_waiting):
        after: str | None = ""
        while after is not None:
            after = following(tx, after=after)
            if after is not None:
                found.add(after)
    return [each for each in sorted(found) if not jobs.is_there(tx, dedupe=_dedupe(each))]


@command
def insert_jobs(tx: Tx, *, waiting: list[str]) -> None:
    """Add a job for each organization that has none."""
    for each in waiting:
        jobs.insert_job(
            tx,
            id=tx.env.new_id(),
            org=each,
            kind=SHIP,
            dedupe=_dedupe(each),
            due=tx.env.now(),
        )


async def schedule_shipping(core: Core) -> None:
    """Make jobs for what waits."""
    if waiting := await core.store.read(find_waiting):
        await core.store.write_background(insert_jobs, waiting=waiting)


@command
def hold_longer(tx: Tx, *, lease: Lease, lease_ms: int) -> None:
    """Hold the lease longer, before something is told. Raises Conflict when it is lost."""
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)


@command
def mark_events(tx: Tx, *, lease: Lease, lease_ms: int, places: list[tuple[int, int]]) -> None:
    """Note that events are told. Raises Conflict when the lease is lost."""
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    events.mark_sent(tx, org=lease.org, places=places)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)


@command
def drop_chunks(tx: Tx, *, lease: Lease, lease_ms: int, places: list[tuple[int, int]]) -> None:
    """Delete chunks that are told. Raises Conflict when the lease is lost."""
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    service_logs.delete_chunks(tx, org=lease.org, places=places)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)


# --- the job --------------------------------------------------------------------------------------


class Shipper:
    """Tells log groups what waits; keeps a client for each."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, MappedGroup], LogGroup] = {}

    async def ship(self, core: Core, lease: Lease) -> None:
        """Handle `monitoring.ship`. Raises Conflict when the lease is lost."""
        await core.store.write_background(hold_longer, lease=lease, lease_ms=LEASE_MS)
        troubles = [
            trouble
            for part in (self._ship_events, self._ship_logs)
            if (trouble := await _tried(part, core, lease))
        ]
        if not troubles:
            await core.store.write_background(finish, lease=lease)
            return
        self._groups.clear()  # a group that was deleted may have to be made anew
        DELAYS.inc()
        log.warning("log groups wait", organization=lease.org, reason="; ".join(troubles))
        due = core.env.now() + RETRY_MS
        await core.store.write_background(put_back, lease=lease, due=due)

    async def _ship_events(self, core: Core, lease: Lease) -> None:
        while page := await core.store.read(events.page_unsent, org=lease.org, limit=PAGE):
            row = await core.store.read(monitoring.get_monitoring, org=lease.org)
            since = row.since if row is not None else 1 << 62
            waiting = [each for each in page if each[0] >= since]
            # What is older than the configuration was an earlier one's, and nobody asks for it now.
            if stale := [(each[0], each[1]) for each in page if each[0] < since]:
                await _mark(core, lease, stale)
            if row is not None and waiting:
                group = await self._group_of(core, row)
                for places, lines in _portions(await _read_page(core, lease.org, waiting)):
                    await _put(core, lease, group, "events", lines)
                    await _mark(core, lease, places)

    async def _group_of(self, core: Core, row: MonitoringRow) -> LogGroup:
        name, mapped = configurations.destination(core, row.account, row.role, row.log_group)
        known = (row.account, name, mapped) in self._groups
        group = self._group(core, row.account, name, mapped)
        if not known and name.startswith(DEFAULT):
            # Somebody may have deleted it, and with it its retention.
            await asyncio.to_thread(group.create, core.settings.monitoring.retention_days)
        return group

    async def _ship_logs(self, core: Core, lease: Lease) -> None:
        known = await core.store.read(organizations.get_state, organization=lease.org)
        account = known[0] if known is not None else ""
        troubles: dict[str, WorkpostError] = {}
        waiting: set[str] = set()
        while page := await core.store.read(
            service_logs.page_chunks, org=lease.org, limit=PAGE, but=sorted(waiting)
        ):
            for chunk in page:
                wanted = core.settings.monitoring.audit_logs
                name = find_audit_log(wanted, account, lease.org, chunk.kind)
                if name in troubles:
                    waiting.add(chunk.kind)
                    continue
                try:
                    if name is not None:
                        await self._ship_chunk(core, lease, account, name, chunk)
                except DELAYED as error:
                    # What waits for one group keeps nothing of another waiting.
                    troubles[name or ""] = error
                    waiting.add(chunk.kind)
                    continue
                await core.store.write_background(
                    drop_chunks, lease=lease, lease_ms=LEASE_MS, places=[(chunk.at, chunk.id)]
                )
        for trouble in troubles.values():
            raise trouble

    async def _ship_chunk(
        self, core: Core, lease: Lease, account: str, name: str, chunk: LogChunk
    ) -> None:
        try:
            lines = await open_chunk(core, chunk)
        except (Fault, KeyDestroyed):
            UNREADABLE.inc()
            return
        mapped = find_group(core, account, name)
        if mapped is None:
            raise ResourceNotFound(f"The log group {name} does not exist.")
        group = self._group(core, account, name, mapped)
        await _put(core, lease, group, chunk.kind, lines)

    def _group(self, core: Core, account: str, name: str, mapped: MappedGroup) -> LogGroup:
        key = (account, name, mapped)
        if key not in self._groups:
            if len(self._groups) >= GROUPS:
                self._groups.clear()
            self._groups[key] = open_group(core, account, name, mapped)
        return self._groups[key]


async def _tried(part: Any, core: Core, lease: Lease) -> str:
    """Do one part of the work; returns why it has to be done later, "" when it is done."""
    try:
        await part(core, lease)
    except DELAYED as error:
        return error.message or type(error).__name__
    return ""


async def _put(core: Core, lease: Lease, group: LogGroup, kind: str, lines: Sequence[Line]) -> None:
    await core.store.write_background(hold_longer, lease=lease, lease_ms=LEASE_MS)
    refused = await asyncio.to_thread(group.put, f"{lease.org}/{kind}", lines)
    LINES.labels(kind).inc(len(lines) - refused)
    if refused:
        REFUSED.inc(refused)
        log.error("a log group refused lines", organization=lease.org, count=refused)


async def _mark(core: Core, lease: Lease, places: list[tuple[int, int]]) -> None:
    await core.store.write_background(mark_events, lease=lease, lease_ms=LEASE_MS, places=places)


Opened = tuple[tuple[int, int], list[Line]]


async def _read_page(core: Core, organization: str, page: Sequence[Row]) -> list[Opened]:
    """The places of events with their lines; none for one that does not open. Raises TryLater."""
    keys = {}
    for gen in {row[3] for row in page}:
        try:
            keys[gen] = (await core.keys.organization(organization, gen)).key
        except (Fault, KeyDestroyed):
            continue
    return await asyncio.to_thread(_open_page, keys, organization, page)


def _open_page(keys: dict[int, bytes], organization: str, page: Sequence[Row]) -> list[Opened]:
    opened: list[Opened] = []
    for at, event, kind, gen, sealed in page:
        lines: list[Line] = []
        try:
            place = sealing.place("event", "sealed", organization, "event", event)
            story = msgspec.json.decode(sealing.unseal(keys[gen], sealed, place))
            lines = [
                (at, line)
                for line in lines_of(
                    kind, story, organization=organization, at=at, longest=MAX_LINE
                )
            ]
        except (LookupError, TypeError, ValueError, AttributeError, Fault) as error:
            # Whatever it holds: no event keeps the others waiting.
            UNREADABLE.inc()
            name = type(error).__name__
            log.error("an event is not told", organization=organization, id=event, error=name)
        opened.append(((at, event), lines))
    return opened


def _portions(opened: Sequence[Opened]) -> Iterator[tuple[list[tuple[int, int]], list[Line]]]:
    """Events in portions of bounded size; all lines of an event are in one."""
    places: list[tuple[int, int]] = []
    lines: list[Line] = []
    size = 0
    for place, own in opened:
        places.append(place)
        lines += own
        size += sum(len(line) for _, line in own)
        if size >= PORTION_BYTES:
            yield places, lines
            places, lines, size = [], [], 0
    if places:
        yield places, lines


def build_shippers(core: Core, count: int = 2) -> list[JobRunner]:
    """Runners of this job in a process: one may wait for an endpoint while the other works."""
    return [
        JobRunner(
            core,
            {SHIP: Shipper().ship},
            (schedule_shipping,),
            every=float(core.settings.monitoring.every_seconds),
        )
        for _ in range(count)
    ]

"""One run of a retention policy: mailbox by mailbox, in slices, in turns with other jobs.

A run is a durable job. Each slice notes in its own transaction how far the run is and what it has
done, so that a process that dies costs no message twice and no count; its end writes an audit
record with the totals in the transaction that ends the job.
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages import aging, recovering
from workpost.domain.messages.aging import START, Look, Run
from workpost.domain.organizations import retention
from workpost.domain.organizations.retention import SCHEDULED
from workpost.kernel import metrics
from workpost.kernel.errors import FolderNotFound
from workpost.kernel.logging import logger
from workpost.kernel.principal import Grant
from workpost.operations.audit.service_events import seal_service_event
from workpost.operations.jobs.runner import LEASE_MS
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import audit, jobs, mailboxes, organizations
from workpost.store.tables.audit import AuditChunk
from workpost.store.tables.jobs import Lease

TURN_SECONDS = 5.0
"""How long a run works before other jobs have their turn; less than a lease."""
PAGE = 100
EVENT = "ApplyRetentionPolicy"

DONE = "done"
STOPPED = "stopped"
"""The policy was deleted, or the organization is not active any more."""

_RUNS = metrics.counter("workpost_retention_runs_total", "Runs of retention policies.", "outcome")
_MESSAGES = metrics.counter(
    "workpost_retention_messages_total", "Messages taken by retention policies.", "action"
)

log = logger("retention")


async def schedule_runs(core: Core) -> None:
    """Make a job for each policy whose period is over."""
    every = core.settings.retention.every_minutes * 60_000
    while await core.store.write_background(retention.schedule_runs, every_ms=every) == SCHEDULED:
        pass


async def apply_policy(core: Core, lease: Lease) -> None:
    """Handle `retention.run`. Raises Conflict when the lease is lost, TryLater."""
    run = Run(core.env.now())
    if lease.cursor is not None:
        run = msgspec.msgpack.decode(lease.cursor, type=Run)
    until = core.env.monotonic() + TURN_SECONDS
    while page := await core.store.read(
        mailboxes.active_after, org=lease.org, after=run.mailbox, limit=PAGE
    ):
        for mailbox in page:
            done = False
            while not done:
                run, done, stopped = await _step(core, lease, run, mailbox)
                if stopped:
                    return await _end(core, lease, run, STOPPED)
                if core.env.monotonic() >= until:
                    await core.store.write_background(pause, lease=lease, run=run)
                    return None
    return await _end(core, lease, run, DONE)


async def _step(core: Core, lease: Lease, run: Run, mailbox: int) -> tuple[Run, bool, bool]:
    """Take one slice from a mailbox: the run after it, is the mailbox done, is all at its end."""
    grant = Grant.system("retention", lease.org, mailbox)
    seen = await core.store.read(aging.look, grant=grant, at=run.at)
    if seen.stopped:
        return run, True, True
    following = msgspec.structs.replace(run, at=seen.at or START)
    if seen.at is None:
        following = msgspec.structs.replace(following, mailbox=mailbox, mailboxes=run.mailboxes + 1)
    if seen.uids:
        before = following
        try:
            following = await _take(core, lease, grant, before, seen)
        except FolderNotFound:
            await recovering.make_folder(core, grant)
            following = await _take(core, lease, grant, before, seen)
        _MESSAGES.labels("moved").inc(following.moved - before.moved)
        _MESSAGES.labels("deleted").inc(following.deleted - before.deleted)
    return following, seen.at is None, False


async def _take(core: Core, lease: Lease, grant: Grant, run: Run, seen: Look) -> Run:
    return await core.store.write_background(
        aging.take_slice,
        grant=grant,
        lease=lease,
        lease_ms=LEASE_MS,
        run=run,
        folder=seen.folder,
        uids=seen.uids,
        recoverable_days=core.settings.retention.recoverable_days,
    )


@command
def pause(tx: Tx, *, lease: Lease, run: Run) -> None:
    """Let other jobs go first. Raises Conflict when the lease is lost."""
    aging.save(tx, lease, LEASE_MS, run)
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=tx.env.now())


async def _end(core: Core, lease: Lease, run: Run, outcome: str) -> None:
    known = await core.store.read(organizations.get_state, organization=lease.org)
    details = {
        "organizationId": lease.org,
        "outcome": outcome,
        "started": run.started,
        "mailboxes": run.mailboxes,
        "messagesMoved": run.moved,
        "messagesDeleted": run.deleted,
    }
    records = []
    if known is not None:
        grant = Grant.system("retention", lease.org)
        records.append(await seal_service_event(core, known[0], grant, EVENT, details))
    await core.store.write_background(end, lease=lease, records=records)
    _RUNS.labels(outcome).inc()
    log.info("a retention policy was applied", **details)


@command
def end(tx: Tx, *, lease: Lease, records: list[AuditChunk]) -> None:
    """End a run and record it. Raises Conflict when the lease is lost."""
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)
    audit.insert_chunks(tx, records)

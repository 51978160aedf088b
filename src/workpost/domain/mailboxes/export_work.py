"""What the worker of an export writes down: each slice under the lease of its job.

All raise Conflict when the lease is lost.
"""

from __future__ import annotations

from workpost.domain.mailboxes.exports import EXPORT
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import exports, jobs, mailboxes
from workpost.store.tables.exports import CANCELLED, RUNNING, ExportRow
from workpost.store.tables.jobs import Lease
from workpost.store.tables.mailboxes import MailboxRow

MAX_ERROR = 1024
"""Characters of ErrorInfo."""
SLICE = 100


def export_id(lease: Lease) -> str:
    """The export that a job is for."""
    return lease.dedupe.rpartition("/")[2]


def _hold(tx: Tx, lease: Lease, lease_ms: int) -> None:
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)


@command
def begin_attempt(tx: Tx, *, lease: Lease, lease_ms: int) -> ExportRow | None:
    """Begin, or begin anew; the row with this attempt counted, None when the export is gone."""
    _hold(tx, lease, lease_ms)
    id = export_id(lease)
    row = exports.get_export(tx, org=lease.org, id=id)
    if row is not None and row.state == RUNNING:
        exports.begin_attempt(tx, org=lease.org, id=id)
        row = exports.get_export(tx, org=lease.org, id=id)
    return row


@command
def note_upload(tx: Tx, *, lease: Lease, lease_ms: int, upload: str) -> None:
    """Note the upload that this attempt fills, "" when it is thrown away."""
    _hold(tx, lease, lease_ms)
    exports.set_upload(tx, org=lease.org, id=export_id(lease), upload=upload)


@command
def note_trouble(tx: Tx, *, lease: Lease, lease_ms: int, error: str) -> None:
    """Note what ended an attempt, after which another one begins."""
    _hold(tx, lease, lease_ms)
    exports.set_error(tx, org=lease.org, id=export_id(lease), error=error[:MAX_ERROR])


@command
def note_progress(tx: Tx, *, lease: Lease, lease_ms: int, progress: int) -> bool:
    """Hold the lease and note the progress in percent; False when the export was cancelled."""
    _hold(tx, lease, lease_ms)
    id = export_id(lease)
    exports.set_progress(tx, org=lease.org, id=id, progress=progress)
    row = exports.get_export(tx, org=lease.org, id=id)
    return row is not None and row.state == RUNNING


@command
def begin_finish(tx: Tx, *, lease: Lease, lease_ms: int) -> bool:
    """From here on the export cannot be cancelled; False when it was."""
    _hold(tx, lease, lease_ms)
    return exports.set_finishing(tx, org=lease.org, id=export_id(lease))


@command
def settle_export(tx: Tx, *, lease: Lease, lease_ms: int, state: str, error: str) -> None:
    """End the export, while its job goes on and throws away what is left of it."""
    _hold(tx, lease, lease_ms)
    exports.end_export(
        tx,
        org=lease.org,
        id=export_id(lease),
        state=state,
        error=error[:MAX_ERROR],
        ended=tx.env.now(),
    )


@command
def end_export(tx: Tx, *, lease: Lease, state: str, error: str) -> None:
    """End the job, whose upload is gone or complete, and the export with it unless it had ended."""
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    org, id = lease.org, export_id(lease)
    ended = tx.env.now()
    exports.end_export(tx, org=org, id=id, state=state, error=error[:MAX_ERROR], ended=ended)
    exports.set_upload(tx, org=org, id=id, upload="")
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)


def read_mailbox(tx: Reader, *, mailbox: int) -> MailboxRow | None:
    """The mailbox of an export; None when it is gone or is being destroyed."""
    row = mailboxes.get_mailbox(tx, mailbox=mailbox)
    return row if row is not None and row.state != mailboxes.PURGING else None


def read_open(tx: Reader, *, org: str) -> ExportRow | None:
    """An export of an organization that runs or left an upload behind."""
    return exports.find_open(tx, org=org)


@command
def abandon(tx: Tx, *, lease: Lease, lease_ms: int, id: str) -> None:
    """End an export of an organization that is being deleted, which `lease` is for.

    Whoever works on it finds the lease of the export lost.
    """
    _hold(tx, lease, lease_ms)
    org = lease.org
    exports.end_export(tx, org=org, id=id, state=CANCELLED, error="", ended=tx.env.now())
    exports.set_upload(tx, org=org, id=id, upload="")
    jobs.cancel_job(tx, kind=EXPORT, dedupe=f"export/{org}/{id}")


@command
def drop_exports(tx: Tx, *, before: int) -> int:
    """Forget some exports that ended and were started before a time; returns how many."""
    return exports.delete_exports(tx, before=before, limit=SLICE)

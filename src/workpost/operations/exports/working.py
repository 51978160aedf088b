"""The job behind StartMailboxExportJob.

An attempt that was cut short begins anew with an empty upload (docs/decisions/0028-exports.md): the
SHA-384 in the output log is of the whole object, and no process can take up the hash of another.
So every attempt begins by throwing the upload of the one before away. Before the object is made the
export can be cancelled: whoever works on it asks every two seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from workpost.domain.mailboxes import export_work
from workpost.domain.mailboxes.exports import log_path
from workpost.integrations.s3.depot import Depot, Gone, Refused
from workpost.kernel.errors import Conflict, Fault, KeyDestroyed, TryLater, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.kernel.principal import Grant
from workpost.operations.audit.log import insert_audit
from workpost.operations.audit.service_events import seal_service_event
from workpost.operations.exports.archiving import MailboxArchive, Tally, weight_of
from workpost.operations.exports.outbox import clear_uploads, open_depot
from workpost.operations.exports.spool import Spool
from workpost.operations.exports.uploading import PartUpload, part_bytes, patiently
from workpost.operations.jobs.runner import LEASE_MS
from workpost.store.core import Core
from workpost.store.tables.exports import CANCELLED, COMPLETED, FAILED, RUNNING, ExportRow
from workpost.store.tables.jobs import Lease
from workpost.store.tables.mailboxes import MailboxRow

ACTOR = "export"
BEAT_SECONDS = 2.0
"""How often the lease is held longer, the progress noted, and asked for a cancellation."""
MAX_ATTEMPTS = 5
EVENT = "ExportMailbox"
GONE = "The mailbox was deleted."

ENDED = counter("workpost_exports_total", "Mailbox exports that ended.", "state")
BYTES = counter("workpost_export_bytes_total", "Bytes that exports sent to buckets.")

log = logger("exports")


class _Ending(msgspec.Struct, frozen=True):
    """How an export ends."""

    state: str
    error: str = ""


class OutputLog(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What lies beside the object; all values are text (WorkMail guide, exporting mailboxes).

    Times are milliseconds since the epoch; `total_bytes` are those of the messages.
    """

    total_non_exportable_items: str
    total_messages: str
    sha384_hash: str = msgspec.field(name="sha384Hash")
    total_bytes: str
    total_folders: str
    start_time: str
    end_time: str


async def export_mailbox(core: Core, lease: Lease) -> None:
    """Handle `mailbox.export`. Raises Conflict when the lease is lost, TryLater."""
    row = await core.store.write_background(
        export_work.begin_attempt, lease=lease, lease_ms=LEASE_MS
    )
    ending = await _Attempt(core, lease, row).run() if row is not None else _Ending(FAILED)
    await core.store.write_background(
        export_work.end_export, lease=lease, state=ending.state, error=ending.error
    )
    ENDED.labels(ending.state.lower()).inc()


class _Attempt:
    """One attempt at one export."""

    def __init__(self, core: Core, lease: Lease, row: ExportRow) -> None:
        self._core = core
        self._lease = lease
        self._row = row
        self._grant = Grant.system(ACTOR, row.org, row.mailbox)
        self._tally = Tally()
        self._weight = 1
        self._transfer: asyncio.Task[_Ending] | None = None
        self._interrupted = False
        self._lost = False

    async def run(self) -> _Ending:
        """Export, or say why not. Raises TryLater for another attempt, Conflict."""
        beat = asyncio.create_task(self._beat())
        try:
            ending = await self._work()
        except TryLater as error:
            await self._core.store.write_background(
                export_work.note_trouble,
                lease=self._lease,
                lease_ms=LEASE_MS,
                error=_sentence(error),
            )
            raise
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        await self._record_end(ending)
        return ending

    async def _work(self) -> _Ending:
        row = self._row
        try:
            spent = row.state == RUNNING and row.attempts > MAX_ATTEMPTS
            ending = await self._give_up() if spent else _Ending(row.state)
            depot = open_depot(self._core.settings, row)
            earlier = row.attempts - (row.state == RUNNING)
            await clear_uploads(depot, row, earlier=earlier)
            return ending if ending.state != RUNNING else await self._export(depot)
        except Gone as error:
            # The answer to its completion may have been lost, or another holder of the job has
            # thrown it away: whether there is an object cannot be asked, so it is made anew.
            raise TryLater(error.message) from error
        except Refused as error:
            return _Ending(FAILED, _sentence(error))
        except KeyDestroyed:
            return _Ending(FAILED, GONE)
        except Fault as error:
            log.error("an export met a damaged message", export=row.id, reason=error.message)
            return _Ending(FAILED, f"A message cannot be read: {error.message}.")

    async def _give_up(self) -> _Ending:
        """Let the export fail before what it left is thrown away: that may take its time."""
        times = f"The export was interrupted {MAX_ATTEMPTS} times"
        ending = _Ending(FAILED, f"{times}: {self._row.error}" if self._row.error else f"{times}.")
        await self._core.store.write_background(
            export_work.settle_export,
            lease=self._lease,
            lease_ms=LEASE_MS,
            state=ending.state,
            error=ending.error,
        )
        return ending

    async def _export(self, depot: Depot) -> _Ending:
        await patiently(depot.check)
        mailbox = await self._mailbox()
        if mailbox is None:
            return _Ending(FAILED, GONE)
        await self._record({"state": RUNNING, "attempt": self._row.attempts})
        self._weight = max(1, weight_of(mailbox.bytes, mailbox.items))
        upload = await patiently(depot.begin, self._row.path)
        target = PartUpload(depot, self._row.path, upload, part_bytes(mailbox.bytes))
        try:
            await self._core.store.write_background(
                export_work.note_upload, lease=self._lease, lease_ms=LEASE_MS, upload=upload
            )
            self._transfer = asyncio.create_task(self._send(depot, target))
            ending = await self._transfer
        except asyncio.CancelledError:
            if not self._interrupted:
                raise  # the process stops; whoever goes on throws the upload away
            ending = _Ending(CANCELLED)
        except WorkpostError:
            await _throw_away(target)
            raise
        if ending.state != COMPLETED:
            await _throw_away(target)
        if self._lost:
            raise Conflict("the lease of the export is lost")
        return ending

    async def _mailbox(self) -> MailboxRow | None:
        found = await self._core.store.read(export_work.read_mailbox, mailbox=self._row.mailbox)
        return found if found is not None and found.org == self._row.org else None

    async def _send(self, depot: Depot, target: PartUpload) -> _Ending:
        """Send all parts, then make the object and its log unless the export was cancelled."""
        spool = Spool(self._core.settings.run_dir, self._core.env)
        try:
            archive = MailboxArchive(self._core, self._grant, target, spool)
            self._tally = archive.tally
            await archive.write()
        except OSError as error:
            raise TryLater(f"the directory of the zip cannot be kept: {error.strerror}") from error
        finally:
            spool.close()
            BYTES.inc(target.sent)
        if await self._mailbox() is None:
            # Its keys may still be known here: what is removed meanwhile was only not found.
            return _Ending(FAILED, GONE)
        if not await self._core.store.write_background(
            export_work.begin_finish, lease=self._lease, lease_ms=LEASE_MS
        ):
            return _Ending(CANCELLED)
        await target.complete()
        await patiently(depot.put, log_path(self._row.path), self._output_log(target.digest))
        return _Ending(COMPLETED)

    def _output_log(self, digest: str) -> bytes:
        told = OutputLog(
            total_non_exportable_items=str(self._tally.not_exportable),
            total_messages=str(self._tally.messages),
            sha384_hash=digest,
            total_bytes=str(self._tally.bytes),
            total_folders=str(self._tally.folders),
            start_time=str(self._row.started),
            end_time=str(self._core.env.now()),
        )
        return msgspec.json.format(msgspec.json.encode(told))

    # --- beside the work ---

    async def _beat(self) -> None:
        """Hold the lease, tell the progress, and interrupt what was cancelled or is lost."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                running = await self._core.store.write_background(
                    export_work.note_progress,
                    lease=self._lease,
                    lease_ms=LEASE_MS,
                    progress=self._progress,
                )
            except Conflict:
                self._lost = True
                self._interrupt()
                return
            except TryLater:
                continue
            if not running:
                self._interrupt()

    @property
    def _progress(self) -> int:
        """Percent; 100 only when the object is there."""
        return min(99, 100 * self._tally.weight // self._weight)

    def _interrupt(self) -> None:
        if self._transfer is not None and not self._interrupted:
            self._interrupted = True
            self._transfer.cancel()

    async def _record_end(self, ending: _Ending) -> None:
        details = {"state": ending.state, **msgspec.structs.asdict(self._tally)}
        try:
            await self._record(details | ({"errorInfo": ending.error} if ending.error else {}))
        except TryLater as error:
            log.error("the end of an export is not in the audit log", reason=error.message)

    async def _record(self, details: dict[str, Any]) -> None:
        row = self._row
        named = {"jobId": row.id, "entityId": row.entity, "s3Path": row.path, **details}
        core = self._core
        event = await seal_service_event(
            core, row.account, self._grant, EVENT, named, read_only=True
        )
        await core.store.write_background(insert_audit, chunks=[event])


async def _throw_away(target: PartUpload) -> None:
    """Abort an upload. Raises TryLater: the job lives until that is done."""
    try:
        await target.abort()
    except Refused as error:
        log.warning("an upload is left behind", reason=error.message)


def _sentence(error: WorkpostError) -> str:
    text = error.message or type(error).__name__
    return text[:1].upper() + text[1:].removesuffix(".") + "."

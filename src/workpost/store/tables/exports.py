"""Rows of `export_job`: mailbox exports, running and ended."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"


class ExportRow(msgspec.Struct, frozen=True, array_like=True):
    """One export; times in milliseconds, `progress` in percent."""

    org: str
    id: str
    account: str
    entity: str
    mailbox: int
    description: str | None
    role: str
    kms_key: str
    bucket: str
    prefix: str
    path: str
    state: str
    progress: int
    error: str
    started: int
    ended: int | None
    attempts: int
    upload: str
    finishing: int


_NAMES = ExportRow.__struct_fields__
_COLUMNS = ", ".join(_NAMES)
_SELECT = f"SELECT {_COLUMNS} FROM export_job"
_INSERT = f"INSERT INTO export_job ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"


def insert_export(tx: Tx, row: ExportRow) -> None:
    """Insert an export."""
    tx.run(_INSERT, *msgspec.structs.astuple(row))


@quick
def get_export(tx: Reader, *, org: str, id: str) -> ExportRow | None:
    """One export of an organization."""
    row = tx.row(f"{_SELECT} WHERE org = ? AND id = ?", org, id)
    return ExportRow(*row) if row is not None else None


def list_exports(
    tx: Reader, *, org: str, since: int, before: tuple[int, str], limit: int
) -> list[ExportRow]:
    """Exports started at `since` or later, the newest first, below (started, id)."""
    rows = tx.rows(
        f"{_SELECT} WHERE org = ? AND started >= ? AND (started, id) < (?, ?)"
        " ORDER BY started DESC, id DESC LIMIT ?",
        org,
        since,
        *before,
        limit,
    )
    return [ExportRow(*row) for row in rows]


def count_running(tx: Reader, *, org: str) -> int:
    """How many exports of an organization run."""
    row = tx.row("SELECT COUNT(*) FROM export_job WHERE org = ? AND state = ?", org, RUNNING)
    return int(row[0]) if row is not None else 0


def last_start(tx: Reader, *, org: str, mailbox: int) -> int | None:
    """When the last export of a mailbox began that did not fail."""
    row = tx.row(
        "SELECT MAX(started) FROM export_job WHERE org = ? AND mailbox = ? AND state <> ?",
        org,
        mailbox,
        FAILED,
    )
    return int(row[0]) if row is not None and row[0] is not None else None


def find_open(tx: Reader, *, org: str) -> ExportRow | None:
    """An export that runs, or that left an upload behind."""
    row = tx.row(
        f"{_SELECT} WHERE org = ? AND (state = ? OR upload <> '') ORDER BY id LIMIT 1",
        org,
        RUNNING,
    )
    return ExportRow(*row) if row is not None else None


def begin_attempt(tx: Tx, *, org: str, id: str) -> None:
    """Count one more attempt; nothing of it is being completed yet."""
    tx.run(
        "UPDATE export_job SET attempts = attempts + 1, finishing = 0 WHERE org = ? AND id = ?",
        org,
        id,
    )


def set_upload(tx: Tx, *, org: str, id: str, upload: str) -> None:
    """Note the upload that an export fills, "" for none."""
    tx.run("UPDATE export_job SET upload = ? WHERE org = ? AND id = ?", upload, org, id)


def set_progress(tx: Tx, *, org: str, id: str, progress: int) -> None:
    """Note how far a running export is, in percent."""
    tx.run(
        "UPDATE export_job SET progress = ? WHERE org = ? AND id = ? AND state = ?",
        progress,
        org,
        id,
        RUNNING,
    )


def set_finishing(tx: Tx, *, org: str, id: str) -> bool:
    """Note that a running export's object is being completed; False when it does not run."""
    changed = tx.run(
        "UPDATE export_job SET finishing = 1 WHERE org = ? AND id = ? AND state = ?",
        org,
        id,
        RUNNING,
    )
    return changed == 1


def set_error(tx: Tx, *, org: str, id: str, error: str) -> None:
    """Note what the present attempt met."""
    tx.run("UPDATE export_job SET error = ? WHERE org = ? AND id = ?", error, org, id)


def end_export(tx: Tx, *, org: str, id: str, state: str, error: str, ended: int) -> bool:
    """End a running export; False when it had ended before."""
    changed = tx.run(
        "UPDATE export_job SET state = ?, error = ?, ended = ?,"
        " progress = CASE WHEN ? = 'COMPLETED' THEN 100 ELSE progress END"
        " WHERE org = ? AND id = ? AND state = ?",
        state,
        error,
        ended,
        state,
        org,
        id,
        RUNNING,
    )
    return changed == 1


def cancel_export(tx: Tx, *, org: str, id: str, ended: int) -> bool:
    """Cancel a running export whose object is not being completed; False when it is too late."""
    changed = tx.run(
        "UPDATE export_job SET state = ?, ended = ? WHERE org = ? AND id = ? AND state = ?"
        " AND finishing = 0",
        CANCELLED,
        ended,
        org,
        id,
        RUNNING,
    )
    return changed == 1


def delete_exports(tx: Tx, *, before: int, limit: int) -> int:
    """Delete some exports that ended and were started before a time; returns how many."""
    return tx.run(
        "DELETE FROM export_job WHERE (org, id) IN (SELECT org, id FROM export_job"
        " WHERE started < ? AND state <> ? AND upload = '' ORDER BY started LIMIT ?)",
        before,
        RUNNING,
        limit,
    )

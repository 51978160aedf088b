"""Rows of `retention_policy`: one an organization, and when its next run begins."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class PolicyRow(msgspec.Struct, frozen=True):
    """One policy; `folders` is a JSON list of [folder, action, days]."""

    id: str
    name: str
    description: str | None
    folders: str


@quick
def get_policy(tx: Reader, *, org: str) -> PolicyRow | None:
    """The organization's policy."""
    sql = "SELECT id, name, description, folders FROM retention_policy WHERE org = ?"
    row = tx.row(sql, org)
    return PolicyRow(*row) if row is not None else None


def put_policy(tx: Tx, *, org: str, row: PolicyRow, due: int) -> None:
    """Insert or replace the policy; a replaced one keeps its id and the time of its next run."""
    tx.run(
        "INSERT INTO retention_policy (org, id, name, description, folders, due)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org) DO UPDATE SET name = excluded.name,"
        " description = excluded.description, folders = excluded.folders",
        org,
        *msgspec.structs.astuple(row),
        due,
    )


def delete_policy(tx: Tx, *, org: str, id: str) -> bool:
    """Delete the policy; False when the organization has none with this id."""
    return tx.run("DELETE FROM retention_policy WHERE org = ? AND id = ?", org, id) == 1


def due_policies(tx: Reader, *, now: int, limit: int) -> list[str]:
    """Organizations whose run is due, the one that has waited longest first."""
    rows = tx.rows(
        "SELECT org FROM retention_policy WHERE due <= ? ORDER BY due LIMIT ?", now, limit
    )
    return [str(row[0]) for row in rows]


def hasten(tx: Tx, *, latest: int) -> None:
    """Bring runs that are due later than that forward to it."""
    tx.run("UPDATE retention_policy SET due = ? WHERE due > ?", latest, latest)


def take_due(tx: Tx, *, org: str, now: int, due: int) -> bool:
    """Say when the run after the one that is due begins; False when somebody else was faster."""
    sql = "UPDATE retention_policy SET due = ? WHERE org = ? AND due <= ?"
    return tx.run(sql, due, org, now) == 1

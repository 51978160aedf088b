"""Rows of `delegate`: who answers booking requests for which resource."""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx


def insert_delegate(tx: Tx, *, org: str, resource: str, delegate: str) -> bool:
    """Add a delegate; False when it is one already."""
    sql = "INSERT INTO delegate (org, resource, delegate) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return tx.run(sql, org, resource, delegate) == 1


def delete_delegate(tx: Tx, *, org: str, resource: str, delegate: str) -> bool:
    """Remove a delegate; False when it was none."""
    sql = "DELETE FROM delegate WHERE org = ? AND resource = ? AND delegate = ?"
    return tx.run(sql, org, resource, delegate) == 1


def has_delegates(tx: Reader, *, org: str, resource: str) -> bool:
    """True when somebody answers for the resource."""
    sql = "SELECT 1 FROM delegate WHERE org = ? AND resource = ? LIMIT 1"
    return tx.row(sql, org, resource) is not None


def list_delegates(
    tx: Reader, *, org: str, resource: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """A page of (id, kind) of a resource's delegates with ids above `after`."""
    rows = tx.rows(
        "SELECT d.delegate, e.kind FROM delegate d"
        " JOIN entity e ON e.org = d.org AND e.id = d.delegate"
        " WHERE d.org = ? AND d.resource = ? AND d.delegate > ? ORDER BY d.delegate LIMIT ?",
        org,
        resource,
        after,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


def delete_delegations(tx: Tx, *, org: str, entity: str) -> None:
    """Let an entity be nobody's delegate, and have none."""
    tx.run("DELETE FROM delegate WHERE org = ? AND delegate = ?", org, entity)
    tx.run("DELETE FROM delegate WHERE org = ? AND resource = ?", org, entity)

"""Rows of `member`: which users and groups belong to which group, directly."""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx


def insert_member(tx: Tx, *, org: str, grp: str, member: str) -> bool:
    """Add a member; False when it is one already."""
    sql = "INSERT INTO member (org, grp, member) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return tx.run(sql, org, grp, member) == 1


def list_groups(tx: Reader, *, org: str, member: str) -> list[str]:
    """The ids of the groups that have `member` as a direct member."""
    sql = "SELECT grp FROM member WHERE org = ? AND member = ? ORDER BY grp"
    return [str(row[0]) for row in tx.rows(sql, org, member)]


def delete_memberships(tx: Tx, *, org: str, entity: str) -> None:
    """Take an entity out of all groups, and everybody out of it."""
    tx.run("DELETE FROM member WHERE org = ? AND member = ?", org, entity)
    tx.run("DELETE FROM member WHERE org = ? AND grp = ?", org, entity)

"""Rows of `member`: which users and groups belong to which group, directly."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx
from workpost.store.tables.entities import LAST


class MemberRow(msgspec.Struct, frozen=True):
    """What a listing shows of a member; times in ms."""

    id: str
    name: str
    kind: str
    state: str
    enabled_at: int | None
    disabled_at: int | None


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


def delete_member(tx: Tx, *, org: str, grp: str, member: str) -> bool:
    """Remove a direct member; False when it was none."""
    sql = "DELETE FROM member WHERE org = ? AND grp = ? AND member = ?"
    return tx.run(sql, org, grp, member) == 1


def list_members(tx: Reader, *, org: str, grp: str, after: str, limit: int) -> list[MemberRow]:
    """A page of the direct members with ids above `after`, by id."""
    rows = tx.rows(
        "SELECT e.id, e.name, e.kind, e.state, e.enabled_at, e.disabled_at FROM member m"
        " JOIN entity e ON e.org = m.org AND e.id = m.member"
        " WHERE m.org = ? AND m.grp = ? AND m.member > ? ORDER BY m.member LIMIT ?",
        org,
        grp,
        after,
        limit,
    )
    return [MemberRow(*row) for row in rows]


def list_groups_of(
    tx: Reader, *, org: str, member: str, prefix: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """A page of (id, name) of the groups that have a direct member, by id.

    `prefix` is folded and what the names begin with.
    """
    rows = tx.rows(
        "SELECT e.id, e.name FROM member m JOIN entity e ON e.org = m.org AND e.id = m.grp"
        " WHERE m.org = ? AND m.member = ? AND m.grp > ?"
        " AND e.name_fold >= ? AND e.name_fold < ? ORDER BY m.grp LIMIT ?",
        org,
        member,
        after,
        prefix,
        prefix + LAST,
        limit,
    )
    return [(row[0], row[1]) for row in rows]

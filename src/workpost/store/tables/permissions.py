"""Rows of `permission`: what a user, group or resource may do with the mailbox of another.

Keyed by the entity that owns the mailbox, so that groups, which have none, may be sent for.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Tx

FULL_ACCESS = 1
SEND_AS = 2
SEND_ON_BEHALF = 4


class PermissionRow(msgspec.Struct, frozen=True):
    """What a grantee may do, as bits; `kind` is that of the grantee."""

    grantee: str
    kind: str
    rights: int


def put_permission(tx: Tx, *, org: str, owner: str, grantee: str, rights: int) -> bool:
    """Set what a grantee may do; False when it was so before."""
    return (
        tx.run(
            "INSERT INTO permission (org, owner, grantee, rights) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (org, owner, grantee) DO UPDATE SET rights = excluded.rights"
            " WHERE permission.rights <> excluded.rights",
            org,
            owner,
            grantee,
            rights,
        )
        == 1
    )


def delete_permission(tx: Tx, *, org: str, owner: str, grantee: str) -> bool:
    """Take everything from a grantee; False when there was nothing."""
    return (
        tx.run(
            "DELETE FROM permission WHERE org = ? AND owner = ? AND grantee = ?",
            org,
            owner,
            grantee,
        )
        == 1
    )


def delete_permissions_of(tx: Tx, *, org: str, entity: str) -> None:
    """Drop what an entity was granted and what it granted."""
    tx.run("DELETE FROM permission WHERE org = ? AND owner = ?", org, entity)
    tx.run("DELETE FROM permission WHERE org = ? AND grantee = ?", org, entity)


def list_permissions(
    tx: Reader, *, org: str, owner: str, after: str, limit: int
) -> list[PermissionRow]:
    """A page of the grantees of a mailbox with ids above `after`, by id."""
    rows = tx.rows(
        "SELECT p.grantee, e.kind, p.rights FROM permission p"
        " JOIN entity e ON e.org = p.org AND e.id = p.grantee AND e.state <> 'DELETED'"
        " WHERE p.org = ? AND p.owner = ? AND p.grantee > ? ORDER BY p.grantee LIMIT ?",
        org,
        owner,
        after,
        limit,
    )
    return [PermissionRow(*row) for row in rows]


def rights_of(tx: Reader, *, org: str, owner: str, grantees: Sequence[str]) -> int:
    """All bits that the grantees together have on a mailbox."""
    rights = 0
    for grantee in grantees:
        row = tx.row(
            "SELECT rights FROM permission WHERE org = ? AND owner = ? AND grantee = ?",
            org,
            owner,
            grantee,
        )
        rights |= int(row[0]) if row is not None else 0
    return rights


def owners_for(tx: Reader, *, org: str, grantee: str, rights: int) -> list[str]:
    """The owners on whose mailboxes a grantee itself has these bits."""
    rows = tx.rows(
        "SELECT owner FROM permission WHERE org = ? AND grantee = ? AND (rights & ?) = ?",
        org,
        grantee,
        rights,
        rights,
    )
    return [str(row[0]) for row in rows]


def enabled_groups(tx: Reader, *, org: str, member: str) -> list[str]:
    """The enabled groups that have an entity as a direct member."""
    rows = tx.rows(
        "SELECT m.grp FROM member m JOIN entity e ON e.org = m.org AND e.id = m.grp"
        " AND e.state = 'ENABLED' WHERE m.org = ? AND m.member = ? ORDER BY m.grp",
        org,
        member,
    )
    return [str(row[0]) for row in rows]

"""Rows of `impersonation_role`, a JSON object each, and of `impersonation_token`."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class RoleRow(msgspec.Struct, frozen=True):
    """One role; times in ms."""

    id: str
    role: str
    created: int
    modified: int


class TokenRow(msgspec.Struct, frozen=True):
    """What a token stands for: a role, and who has assumed it."""

    role: str
    actor: str
    expires: int


_ROLE = "id, role, created, modified"


def put_role(tx: Tx, *, org: str, row: RoleRow) -> None:
    """Insert or replace a role; a replaced one keeps `created`."""
    tx.run(
        f"INSERT INTO impersonation_role (org, {_ROLE}) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (org, id) DO UPDATE SET role = excluded.role, modified = excluded.modified",
        org,
        row.id,
        row.role,
        row.created,
        row.modified,
    )


@quick
def get_role(tx: Reader, *, org: str, id: str) -> RoleRow | None:
    """The role of this id."""
    row = tx.row(f"SELECT {_ROLE} FROM impersonation_role WHERE org = ? AND id = ?", org, id)
    return RoleRow(*row) if row is not None else None


def list_roles(tx: Reader, *, org: str, after: str, limit: int) -> list[RoleRow]:
    """A page of roles by id."""
    rows = tx.rows(
        f"SELECT {_ROLE} FROM impersonation_role WHERE org = ? AND id > ? ORDER BY id LIMIT ?",
        org,
        after,
        limit,
    )
    return [RoleRow(*row) for row in rows]


def count_roles(tx: Reader, *, org: str) -> int:
    """How many roles the organization has."""
    row = tx.row("SELECT COUNT(*) FROM impersonation_role WHERE org = ?", org)
    return int(row[0]) if row is not None else 0


def delete_role(tx: Tx, *, org: str, id: str) -> bool:
    """Delete a role; False when there was none."""
    return tx.run("DELETE FROM impersonation_role WHERE org = ? AND id = ?", org, id) == 1


def insert_token(tx: Tx, *, org: str, hash: bytes, row: TokenRow) -> None:
    """Insert a token by its hash."""
    tx.run(
        "INSERT INTO impersonation_token (org, hash, role, actor, expires) VALUES (?, ?, ?, ?, ?)",
        org,
        hash,
        row.role,
        row.actor,
        row.expires,
    )


@quick
def get_token(tx: Reader, *, org: str, hash: bytes) -> TokenRow | None:
    """The token of this hash that has not expired."""
    row = tx.row(
        "SELECT role, actor, expires FROM impersonation_token"
        " WHERE org = ? AND hash = ? AND expires > ?",
        org,
        hash,
        tx.env.now(),
    )
    return TokenRow(*row) if row is not None else None


def delete_expired(tx: Tx, *, limit: int) -> int:
    """Delete up to `limit` expired tokens; returns how many there were."""
    return tx.run(
        "DELETE FROM impersonation_token WHERE (org, hash) IN"
        " (SELECT org, hash FROM impersonation_token WHERE expires <= ? ORDER BY expires LIMIT ?)",
        tx.env.now(),
        limit,
    )

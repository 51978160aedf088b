"""Rows of `iam_user`, `iam_role` and `iam_policy`: the callers of an account and their policies.

Names are unique within an account and a kind, whatever their case; policies hang from ids.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class UserRow(msgspec.Struct, frozen=True):
    """One user; `id` is AIDA and 16 characters."""

    id: str
    account: str
    name: str
    created: int


class RoleRow(msgspec.Struct, frozen=True):
    """One role; `id` is AROA and 16 characters, `trust` JSON, `max_session` seconds."""

    id: str
    account: str
    name: str
    trust: str
    max_session: int
    created: int


_USER = "id, account, name, created"
_ROLE = "id, account, name, trust, max_session, created"


def lock_account(tx: Tx, *, account: str) -> None:
    """Hold an account to the end of the transaction: two files are applied one after the other."""
    tx.run("UPDATE account SET name = name WHERE id = ?", account)


def insert_user(tx: Tx, row: UserRow) -> bool:
    """Insert a user; False when the name is taken."""
    return (
        tx.run(
            "INSERT INTO iam_user (id, account, name, created, name_fold)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            *msgspec.structs.astuple(row),
            row.name.lower(),
        )
        == 1
    )


@quick
def get_user(tx: Reader, *, account: str, name: str) -> UserRow | None:
    """The user of a name in any case."""
    row = tx.row(
        f"SELECT {_USER} FROM iam_user WHERE account = ? AND name_fold = ?", account, name.lower()
    )
    return UserRow(*row) if row is not None else None


@quick
def get_user_by_id(tx: Reader, *, user_id: str) -> UserRow | None:
    """The user of an id."""
    row = tx.row(f"SELECT {_USER} FROM iam_user WHERE id = ?", user_id)
    return UserRow(*row) if row is not None else None


def lock_user(tx: Tx, *, account: str, name: str) -> UserRow | None:
    """The same, held to the end of the transaction: no key or policy outlives its user."""
    row = tx.row(
        f"UPDATE iam_user SET name = name WHERE account = ? AND name_fold = ? RETURNING {_USER}",
        account,
        name.lower(),
    )
    return UserRow(*row) if row is not None else None


def list_users(tx: Reader, *, account: str) -> list[UserRow]:
    """The users of an account, by name."""
    sql = f"SELECT {_USER} FROM iam_user WHERE account = ? ORDER BY name_fold"
    return [UserRow(*row) for row in tx.rows(sql, account)]


def delete_user(tx: Tx, *, user_id: str) -> None:
    """Delete a user; its policies and keys are deleted by the caller."""
    tx.run("DELETE FROM iam_user WHERE id = ?", user_id)


def insert_role(tx: Tx, row: RoleRow) -> bool:
    """Insert a role; False when the name is taken."""
    return (
        tx.run(
            "INSERT INTO iam_role (id, account, name, trust, max_session, created, name_fold)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            *msgspec.structs.astuple(row),
            row.name.lower(),
        )
        == 1
    )


@quick
def get_role(tx: Reader, *, account: str, name: str) -> RoleRow | None:
    """The role of a name in any case."""
    row = tx.row(
        f"SELECT {_ROLE} FROM iam_role WHERE account = ? AND name_fold = ?", account, name.lower()
    )
    return RoleRow(*row) if row is not None else None


@quick
def get_role_by_id(tx: Reader, *, role_id: str) -> RoleRow | None:
    """The role of an id."""
    row = tx.row(f"SELECT {_ROLE} FROM iam_role WHERE id = ?", role_id)
    return RoleRow(*row) if row is not None else None


def lock_role(tx: Tx, *, account: str, name: str) -> RoleRow | None:
    """The same, held to the end of the transaction."""
    row = tx.row(
        f"UPDATE iam_role SET name = name WHERE account = ? AND name_fold = ? RETURNING {_ROLE}",
        account,
        name.lower(),
    )
    return RoleRow(*row) if row is not None else None


def list_roles(tx: Reader, *, account: str) -> list[RoleRow]:
    """The roles of an account, by name."""
    sql = f"SELECT {_ROLE} FROM iam_role WHERE account = ? ORDER BY name_fold"
    return [RoleRow(*row) for row in tx.rows(sql, account)]


def set_role(tx: Tx, *, role_id: str, trust: str, max_session: int) -> None:
    """Replace who may assume a role, and for how long at most."""
    tx.run(
        "UPDATE iam_role SET trust = ?, max_session = ? WHERE id = ?", trust, max_session, role_id
    )


def delete_role(tx: Tx, *, role_id: str) -> None:
    """Delete a role; its policies are deleted by the caller."""
    tx.run("DELETE FROM iam_role WHERE id = ?", role_id)


@quick
def get_policies(tx: Reader, *, owner: str) -> dict[str, str]:
    """The inline policies of a user or role, by name."""
    rows = tx.rows("SELECT name, document FROM iam_policy WHERE owner = ? ORDER BY name", owner)
    return dict(rows)


def put_policy(tx: Tx, *, owner: str, name: str, document: str) -> None:
    """Insert or replace a policy."""
    tx.run(
        "INSERT INTO iam_policy (owner, name, document) VALUES (?, ?, ?)"
        " ON CONFLICT (owner, name) DO UPDATE SET document = excluded.document",
        owner,
        name,
        document,
    )


def delete_policy(tx: Tx, *, owner: str, name: str) -> bool:
    """Delete a policy; False when there is none."""
    return tx.run("DELETE FROM iam_policy WHERE owner = ? AND name = ?", owner, name) == 1


def delete_policies(tx: Tx, *, owner: str) -> None:
    """Delete all policies of a user or role."""
    tx.run("DELETE FROM iam_policy WHERE owner = ?", owner)

"""Rows of `account` and `access_key`: who may call the API, above all organizations.

The secret of a key is sealed under the system key; `gen` says under which generation of it.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

ACTIVE = "Active"
INACTIVE = "Inactive"


@quick
def depends_on_keys(tx: Reader) -> bool:
    """Whether something is sealed: then a key store without any key is not this database's."""
    sql = "SELECT 1 FROM access_key UNION ALL SELECT 1 FROM organization LIMIT 1"
    return tx.row(sql) is not None


class AccountRow(msgspec.Struct, frozen=True):
    """One account: twelve digits, and a name for the operator."""

    id: str
    name: str
    created: int


class AccessKeyRow(msgspec.Struct, frozen=True):
    """One access key with its secret still sealed.

    `policy` is JSON; None limits nothing. A key with a `user_id` works under that user's policies.
    """

    id: str
    account: str
    name: str
    sealed_secret: bytes
    gen: int
    policy: str | None
    state: str
    created: int
    user_id: str | None = None


_KEY = "id, account, name, sealed_secret, gen, policy, state, created, user_id"


def insert_account(tx: Tx, *, account: str, name: str) -> bool:
    """Insert an account; False when the id is taken."""
    sql = "INSERT INTO account (id, name, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return tx.run(sql, account, name, tx.env.now()) == 1


@quick
def get_account(tx: Reader, *, account: str) -> AccountRow | None:
    """The account, or None."""
    row = tx.row("SELECT id, name, created FROM account WHERE id = ?", account)
    return AccountRow(*row) if row is not None else None


def insert_access_key(tx: Tx, row: AccessKeyRow) -> bool:
    """Insert an access key; False when the id is taken."""
    return (
        tx.run(
            f"INSERT INTO access_key ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            *msgspec.structs.astuple(row),
        )
        == 1
    )


@quick
def get_access_key(tx: Reader, *, access_key: str) -> AccessKeyRow | None:
    """The access key in any state, or None."""
    row = tx.row(f"SELECT {_KEY} FROM access_key WHERE id = ?", access_key)
    return AccessKeyRow(*row) if row is not None else None


def list_access_keys(tx: Reader, *, user_id: str) -> list[AccessKeyRow]:
    """The keys of a user, the oldest first."""
    sql = f"SELECT {_KEY} FROM access_key WHERE user_id = ? ORDER BY created, id"
    return [AccessKeyRow(*row) for row in tx.rows(sql, user_id)]


def list_account_keys(tx: Reader, *, account: str) -> list[AccessKeyRow]:
    """All keys of an account, the oldest first."""
    sql = f"SELECT {_KEY} FROM access_key WHERE account = ? ORDER BY created, id"
    return [AccessKeyRow(*row) for row in tx.rows(sql, account)]


def set_key_state(tx: Tx, *, account: str, access_key: str, state: str) -> bool:
    """Set the state of an account's key; False when there is none."""
    sql = "UPDATE access_key SET state = ? WHERE id = ? AND account = ?"
    return tx.run(sql, state, access_key, account) == 1


def delete_access_key(tx: Tx, *, account: str, access_key: str) -> bool:
    """Delete an account's key; False when there is none."""
    sql = "DELETE FROM access_key WHERE id = ? AND account = ?"
    return tx.run(sql, access_key, account) == 1


def delete_user_keys(tx: Tx, *, user_id: str) -> int:
    """Delete all keys of a user; returns how many there were."""
    return tx.run("DELETE FROM access_key WHERE user_id = ?", user_id)

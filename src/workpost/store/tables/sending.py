"""Rows of `sending_limit`, `sent_by_user`, `sent_by_account`: how much may be sent, and was today.

A counter is one row that is taken together with its limit in one statement, so that it is exact
whoever else sends at the moment; it starts anew by itself with the first message of a day (UTC).
"""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx, quick

EXTERNAL = "EXTERNAL"
TEST = "TEST"
"""Kinds of an account's counters: recipients elsewhere, and all of mail from test domains."""
DAY_MS = 86_400_000


def _take(table: str, key: str) -> str:
    marks = ", ".join("?" for _ in key.split(", "))
    same = f"{table}.day >= excluded.day"
    total = f"excluded.recipients + CASE WHEN {same} THEN {table}.recipients ELSE 0 END"
    # A clock that is behind counts for the day that others have begun.
    return (
        f"INSERT INTO {table} ({key}, day, recipients) VALUES ({marks}, ?, ?)"
        f" ON CONFLICT ({key}) DO UPDATE SET recipients = {total},"
        f" day = CASE WHEN {same} THEN {table}.day ELSE excluded.day END WHERE {total} <= ?"
    )


_TAKE_USER = _take("sent_by_user", "org, entity")
_TAKE_ACCOUNT = _take("sent_by_account", "account, kind")


def take_user(tx: Tx, *, org: str, entity: str, count: int, limit: int) -> bool:
    """Count recipients of today against a user's limit; False, and nothing is counted, over it."""
    day = tx.env.now() // DAY_MS
    return count <= limit and tx.run(_TAKE_USER, org, entity, day, count, limit) == 1


def take_account(tx: Tx, *, account: str, kind: str, count: int, limit: int) -> bool:
    """`take_user` for a counter that all organizations of an account share."""
    day = tx.env.now() // DAY_MS
    return count <= limit and tx.run(_TAKE_ACCOUNT, account, kind, day, count, limit) == 1


def sent_today(tx: Reader, *, org: str, entity: str) -> int:
    """Recipients that a user's mail of today had outside."""
    row = tx.row(
        "SELECT recipients FROM sent_by_user WHERE org = ? AND entity = ? AND day = ?",
        org,
        entity,
        tx.env.now() // DAY_MS,
    )
    return int(row[0]) if row is not None else 0


def account_sent_today(tx: Reader, *, account: str, kind: str) -> int:
    """Recipients that an account's mail of today had, of one kind."""
    row = tx.row(
        "SELECT recipients FROM sent_by_account WHERE account = ? AND kind = ? AND day = ?",
        account,
        kind,
        tx.env.now() // DAY_MS,
    )
    return int(row[0]) if row is not None else 0


@quick
def get_limits(tx: Reader, *, org: str, entity: str) -> dict[str, int]:
    """What was set for an entity (or "", the organization itself) by the names of the limits."""
    rows = tx.rows(
        "SELECT name, value FROM sending_limit WHERE org = ? AND entity = ? ORDER BY name",
        org,
        entity,
    )
    return {str(row[0]): int(row[1]) for row in rows}


def put_limit(tx: Tx, *, org: str, entity: str, name: str, value: int) -> None:
    """Set one limit."""
    tx.run(
        "INSERT INTO sending_limit (org, entity, name, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (org, entity, name) DO UPDATE SET value = excluded.value",
        org,
        entity,
        name,
        value,
    )


def delete_limit(tx: Tx, *, org: str, entity: str, name: str) -> None:
    """Forget what was set for one limit."""
    tx.run("DELETE FROM sending_limit WHERE org = ? AND entity = ? AND name = ?", org, entity, name)


def delete_of_entity(tx: Tx, *, org: str, entity: str) -> None:
    """Forget limits and counter of an entity that is deleted."""
    tx.run("DELETE FROM sending_limit WHERE org = ? AND entity = ?", org, entity)
    tx.run("DELETE FROM sent_by_user WHERE org = ? AND entity = ?", org, entity)

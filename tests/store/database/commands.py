"""Commands and queries that the store's own tests run."""

from __future__ import annotations

from workpost.kernel.errors import FolderExists
from workpost.store.database.unit import Reader, Tx, command, quick


@command
def note(tx: Tx, *, who: str, n: int) -> int:
    """A row of its own each time it runs: a second run would show."""
    tx.run(
        "INSERT INTO event (org, at, id, kind, gen, sealed) VALUES (?, ?, ?, 'note', 1, ?)",
        who,
        n,
        tx.env.new_id(),
        b"x" * 200,
    )
    tx.announce("mailbox", who, n)
    return n


@command
def note_then_fail(tx: Tx, *, who: str, n: int) -> int:
    note(tx, who=who, n=n)
    raise FolderExists("on purpose")


@command
def add_to(tx: Tx, *, key: str, amount: int) -> int:
    """A counter kept in `access_key.created`; fails below zero after having written."""
    row = tx.row(
        "INSERT INTO access_key (id, account, name, sealed_secret, gen, policy, state, created)"
        " VALUES (?, '', '', ?, 1, NULL, '', ?)"
        " ON CONFLICT (id) DO UPDATE SET created = access_key.created + excluded.created"
        " RETURNING created",
        key,
        b"",
        amount,
    )
    assert row is not None
    if row[0] < 0:
        raise FolderExists(f"{key} would be {row[0]}")
    tx.announce("counter", key, row[0])
    return int(row[0])


@command
def note_record(tx: Tx, *, id: bytes) -> None:
    tx.run("INSERT INTO command_done (id, result) VALUES (?, ?)", id, b"\x01")


def counts(tx: Reader) -> dict[str, int]:
    return dict(tx.rows("SELECT id, created FROM access_key ORDER BY id"))  # type: ignore[arg-type]


def notes(tx: Reader) -> list[tuple[str, int]]:
    return tx.rows("SELECT org, at FROM event WHERE kind = 'note' ORDER BY org, at")  # type: ignore[return-value]


@quick
def one_row(tx: Reader) -> object:
    return tx.row("SELECT 1")


def spin(tx: Reader, limit: int) -> object:
    return tx.row(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " SELECT COUNT(*) FROM n",
        limit,
    )


@quick
def quick_spin(tx: Reader, limit: int) -> object:
    return spin(tx, limit)

"""Rows of `mailbox`: one counter, one epoch, one quota per mailbox.

The mailbox row is the lock of everything in the mailbox: a command that writes takes it first
(`lock_mailbox` or `take_modseq`), several mailboxes in ascending id, so commands never deadlock on
PostgreSQL and modseqs become visible in their order.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

ACTIVE = "ACTIVE"
DISABLED = "DISABLED"
PURGING = "PURGING"
"""Its keys are being destroyed; it never comes back."""


class MailboxRow(msgspec.Struct, frozen=True):
    """One mailbox; `bytes` counts RFC 5322 bytes, `quota` is in bytes."""

    id: int
    org: str
    owner: str
    state: str
    purge_at: int | None
    epoch: int
    modseq: int
    floor_modseq: int
    bytes: int
    items: int
    quota: int


_COLUMNS = "id, org, owner, state, purge_at, epoch, modseq, floor_modseq, bytes, items, quota"


def insert_mailbox(
    tx: Tx, *, mailbox: int, org: str, owner: str, epoch: int, modseq: int, quota: int
) -> None:
    """Insert an active, empty mailbox whose counter stands at `modseq`."""
    tx.run(
        f"INSERT INTO mailbox ({_COLUMNS}) VALUES (?, ?, ?, ?, NULL, ?, ?, 0, 0, 0, ?)",
        mailbox,
        org,
        owner,
        ACTIVE,
        epoch,
        modseq,
        quota,
    )


@quick
def get_mailbox(tx: Reader, *, mailbox: int) -> MailboxRow | None:
    """The mailbox in any state; callers check its organization (decisions 7)."""
    row = tx.row(f"SELECT {_COLUMNS} FROM mailbox WHERE id = ?", mailbox)
    return MailboxRow(*row) if row is not None else None


def get_mailboxes(tx: Reader, *, mailboxes: list[int]) -> dict[int, MailboxRow]:
    """Those of at most 100 mailboxes that are there, by id, in any state."""
    marks = ", ".join("?" * len(mailboxes))
    rows = tx.rows(f"SELECT {_COLUMNS} FROM mailbox WHERE id IN ({marks})", *mailboxes)
    return {row[0]: MailboxRow(*row) for row in rows}


def lock_mailbox(tx: Tx, *, mailbox: int) -> MailboxRow | None:
    """Take the mailbox's lock until the end of the transaction and read its row."""
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    row = tx.row(f"SELECT {_COLUMNS} FROM mailbox WHERE id = ?{lock}", mailbox)
    return MailboxRow(*row) if row is not None else None


def take_modseq(tx: Tx, *, mailbox: int, grow: int = 0, items: int = 0) -> int | None:
    """Raise the counter by one and the sizes by `grow` bytes and `items` items.

    Returns the new modseq, or None when the mailbox is not active or, for a positive `grow`, has
    no room: the quota is checked by the UPDATE itself.
    """
    row = tx.row(
        "UPDATE mailbox SET modseq = modseq + 1, bytes = bytes + ?, items = items + ?"
        " WHERE id = ? AND state = 'ACTIVE' AND (? <= 0 OR bytes + ? <= quota) RETURNING modseq",
        grow,
        items,
        mailbox,
        grow,
        grow,
    )
    return int(row[0]) if row is not None else None


def set_mailbox_state(tx: Tx, *, mailbox: int, state: str, purge_at: int | None) -> None:
    """Enable or disable a mailbox; `purge_at` says when a disabled one is destroyed."""
    tx.run("UPDATE mailbox SET state = ?, purge_at = ? WHERE id = ?", state, purge_at, mailbox)


def set_quota(tx: Tx, *, mailbox: int, quota: int) -> None:
    """Set the quota in bytes."""
    tx.run("UPDATE mailbox SET quota = ? WHERE id = ?", quota, mailbox)


def due_purges(tx: Reader, *, now: int, limit: int) -> list[tuple[int, str]]:
    """(id, organization) of disabled mailboxes whose time is over, the earliest first."""
    rows = tx.rows(
        "SELECT id, org FROM mailbox WHERE purge_at IS NOT NULL AND purge_at <= ?"
        " AND state = 'DISABLED' ORDER BY purge_at LIMIT ?",
        now,
        limit,
    )
    return [(int(row[0]), row[1]) for row in rows]


def ids_after(tx: Reader, *, after: int, limit: int) -> list[int]:
    """Ids of mailboxes in any state above `after`, ascending."""
    rows = tx.rows("SELECT id FROM mailbox WHERE id > ? ORDER BY id LIMIT ?", after, limit)
    return [int(row[0]) for row in rows]


def active_after(tx: Reader, *, org: str, after: int, limit: int) -> list[int]:
    """Ids of an organization's active mailboxes above `after`, ascending."""
    rows = tx.rows(
        "SELECT id FROM mailbox WHERE org = ? AND id > ? AND state = 'ACTIVE' ORDER BY id LIMIT ?",
        org,
        after,
        limit,
    )
    return [int(row[0]) for row in rows]


def raise_floor(tx: Tx, *, mailbox: int, modseq: int) -> None:
    """Say that tombstones up to `modseq` are gone."""
    tx.run(
        "UPDATE mailbox SET floor_modseq = ? WHERE id = ? AND floor_modseq < ?",
        modseq,
        mailbox,
        modseq,
    )

"""Rows of `out_of_office`: who is away, and what they say, sealed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, command

DISABLED = "DISABLED"
ENABLED = "ENABLED"
SCHEDULED = "SCHEDULED"
"""Away from `starts` to `ends` (ms)."""


class AwayRow(msgspec.Struct, frozen=True):
    """One mailbox's setting; times in ms, 0 where none is set."""

    mailbox: int
    state: str
    starts: int
    ends: int
    sealed: bytes
    gen: int
    changed: int


_SELECT = "SELECT mailbox, state, starts, ends, sealed, gen, changed FROM out_of_office"


def get_setting(tx: Reader, *, mailbox: int) -> AwayRow | None:
    """The setting of a mailbox; None where none was ever made."""
    row = tx.row(_SELECT + " WHERE mailbox = ?", mailbox)
    return AwayRow(*row) if row is not None else None


def list_away(tx: Reader, *, mailboxes: Sequence[int]) -> list[AwayRow]:
    """The settings of those of at most 100 mailboxes whose owners are away now."""
    marks = ", ".join("?" * len(mailboxes))
    now = tx.env.now()
    rows = tx.rows(
        _SELECT + f" WHERE mailbox IN ({marks}) AND (state = 'ENABLED'"
        " OR (state = 'SCHEDULED' AND starts <= ? AND ends > ?))",
        *mailboxes,
        now,
        now,
    )
    return [AwayRow(*row) for row in rows]


def put_setting(tx: Tx, row: AwayRow) -> None:
    """Set a mailbox's setting."""
    tx.run(
        "INSERT INTO out_of_office (mailbox, state, starts, ends, sealed, gen, changed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (mailbox) DO UPDATE SET"
        " state = excluded.state, starts = excluded.starts, ends = excluded.ends,"
        " sealed = excluded.sealed, gen = excluded.gen, changed = excluded.changed",
        row.mailbox,
        row.state,
        row.starts,
        row.ends,
        row.sealed,
        row.gen,
        row.changed,
    )


def old_setting(tx: Reader, *, mailbox: int, below: int) -> Row | None:
    """(gen, sealed) of a setting of an older generation."""
    return tx.row(
        "SELECT gen, sealed FROM out_of_office WHERE mailbox = ? AND gen < ?", mailbox, below
    )


@command
def rewrap_setting(tx: Tx, *, mailbox: int, gen: int, old: bytes, new: bytes) -> None:
    """Replace the sealed texts where they are still `old`."""
    tx.run(
        "UPDATE out_of_office SET sealed = ?, gen = ? WHERE mailbox = ? AND sealed = ?",
        new,
        gen,
        mailbox,
        old,
    )

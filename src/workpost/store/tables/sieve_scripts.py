"""Rows of `sieve_script`: the Sieve scripts of mailboxes, names and texts sealed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, command


class ScriptRow(msgspec.Struct, frozen=True):
    """One script without its text; `size` in octets, `active` 0 or 1, `changed` in ms."""

    name_tag: bytes
    sealed_name: bytes
    gen: int
    size: int
    active: int
    changed: int


class TextRow(msgspec.Struct, frozen=True):
    """The sealed text of a script."""

    mailbox: int
    name_tag: bytes
    sealed: bytes
    gen: int


_TEXT = "SELECT mailbox, name_tag, sealed, gen FROM sieve_script"


def list_scripts(tx: Reader, *, mailbox: int) -> list[ScriptRow]:
    """All scripts of a mailbox."""
    rows = tx.rows(
        "SELECT name_tag, sealed_name, gen, size, active, changed FROM sieve_script"
        " WHERE mailbox = ?",
        mailbox,
    )
    return [ScriptRow(*row) for row in rows]


def count_scripts(tx: Reader, *, mailbox: int) -> int:
    """How many scripts a mailbox has."""
    row = tx.row("SELECT COUNT(*) FROM sieve_script WHERE mailbox = ?", mailbox)
    return int(row[0]) if row is not None else 0


def get_text(tx: Reader, *, mailbox: int, name_tag: bytes) -> TextRow | None:
    """The text of one script."""
    row = tx.row(_TEXT + " WHERE mailbox = ? AND name_tag = ?", mailbox, name_tag)
    return TextRow(*row) if row is not None else None


def is_active(tx: Reader, *, mailbox: int, name_tag: bytes) -> bool | None:
    """Whether a script is the active one; None when there is no such script."""
    row = tx.row(
        "SELECT active FROM sieve_script WHERE mailbox = ? AND name_tag = ?", mailbox, name_tag
    )
    return bool(row[0]) if row is not None else None


def active_texts(tx: Reader, *, mailboxes: Sequence[int]) -> list[TextRow]:
    """The active scripts of at most 100 mailboxes."""
    marks = ", ".join("?" * len(mailboxes))
    rows = tx.rows(_TEXT + f" WHERE mailbox IN ({marks}) AND active = 1", *mailboxes)
    return [TextRow(*row) for row in rows]


def put_script(
    tx: Tx,
    *,
    mailbox: int,
    name_tag: bytes,
    sealed_name: bytes,
    sealed: bytes,
    gen: int,
    size: int,
) -> None:
    """Insert a script, or replace the one of its name, which stays active if it was."""
    tx.run(
        "INSERT INTO sieve_script"
        " (mailbox, name_tag, sealed_name, sealed, gen, size, active, changed)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (mailbox, name_tag) DO UPDATE SET"
        " sealed_name = excluded.sealed_name, sealed = excluded.sealed, gen = excluded.gen,"
        " size = excluded.size, changed = excluded.changed",
        mailbox,
        name_tag,
        sealed_name,
        sealed,
        gen,
        size,
        tx.env.now(),
    )


def set_active(tx: Tx, *, mailbox: int, name_tag: bytes | None) -> None:
    """Make one script the active one, or none."""
    tx.run("UPDATE sieve_script SET active = 0 WHERE mailbox = ? AND active = 1", mailbox)
    if name_tag is not None:
        tx.run(
            "UPDATE sieve_script SET active = 1 WHERE mailbox = ? AND name_tag = ?",
            mailbox,
            name_tag,
        )


def delete_script(tx: Tx, *, mailbox: int, name_tag: bytes) -> None:
    """Delete a script."""
    tx.run("DELETE FROM sieve_script WHERE mailbox = ? AND name_tag = ?", mailbox, name_tag)


def rename_script(
    tx: Tx,
    *,
    mailbox: int,
    name_tag: bytes,
    to: bytes,
    sealed_name: bytes,
    sealed: bytes,
    gen: int,
) -> None:
    """Give a script another name; its text is sealed for its new place."""
    tx.run(
        "UPDATE sieve_script SET name_tag = ?, sealed_name = ?, sealed = ?, gen = ?"
        " WHERE mailbox = ? AND name_tag = ?",
        to,
        sealed_name,
        sealed,
        gen,
        mailbox,
        name_tag,
    )


def old_scripts(tx: Reader, *, mailbox: int, below: int) -> list[Row]:
    """Rows (name tag, gen, sealed name, sealed text) of older generations."""
    return tx.rows(
        "SELECT name_tag, gen, sealed_name, sealed FROM sieve_script WHERE mailbox = ? AND gen < ?",
        mailbox,
        below,
    )


@command
def rewrap_script(
    tx: Tx, *, mailbox: int, gen: int, name_tag: bytes, old: bytes, sealed_name: bytes, new: bytes
) -> None:
    """Replace the sealed values of a script whose text is still `old`."""
    tx.run(
        "UPDATE sieve_script SET sealed_name = ?, sealed = ?, gen = ?"
        " WHERE mailbox = ? AND name_tag = ? AND sealed = ?",
        sealed_name,
        new,
        gen,
        mailbox,
        name_tag,
        old,
    )

"""Rows of `folder` and `subscription`: the folder tree, uid counters and sums of each folder.

`uidvalidity` holds the modseq at which the folder was made; what protocols show adds the mailbox's
epoch, so that a restored backup changes it everywhere at once. `hidden` 0 is a folder people see,
1 one for clients' own use, 2 one being deleted whose items go in slices, 3 that of recoverable
items (`recoverable.py`), 4 as 2, but the items become recoverable.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

VISIBLE = 0
DELETING = 2
DELETING_KEPT = 4
"""Being deleted, as DELETING, but from Deleted Items: what it holds stays recoverable."""


INBOX = "inbox"
JUNK = "junk"
"""Roles that delivery places mail by."""
TRASH = "trash"
"""Role of the folder Deleted Items."""


class Rank(msgspec.Struct, frozen=True):
    """What a folder is: its role, place in the tree and `hidden`."""

    role: str | None
    parent: int
    hidden: int


class FolderRow(msgspec.Struct, frozen=True):
    """One folder with its name still sealed; `uidvalidity` as protocols show it."""

    id: int
    parent: int
    name_tag: bytes
    sealed: bytes
    gen: int
    role: str | None
    hidden: int
    uidvalidity: int
    uidnext: int
    first_recent: int
    total: int
    unread: int
    modseq: int


_SELECT = (
    "SELECT f.id, f.parent, f.name_tag, f.sealed, f.gen, f.role, f.hidden,"
    " (f.uidvalidity + m.epoch) & 2147483647, f.uidnext, f.first_recent, f.total, f.unread,"
    " f.modseq FROM folder f JOIN mailbox m ON m.id = f.mailbox WHERE f.mailbox = ?"
)


def insert_folder(
    tx: Tx,
    *,
    mailbox: int,
    folder: int,
    parent: int,
    name_tag: bytes,
    sealed: bytes,
    gen: int,
    role: str | None,
    modseq: int,
) -> bool:
    """Insert an empty folder; False when the name or the role is taken."""
    return (
        tx.run(
            "INSERT INTO folder (mailbox, id, parent, name_tag, sealed, gen, class, role, hidden,"
            " uidvalidity, uidnext, first_recent, total, unread, bytes, created_modseq, modseq)"
            " VALUES (?, ?, ?, ?, ?, ?, 'IPF.Note', ?, 0, ?, 1, 1, 0, 0, 0, ?, ?)"
            " ON CONFLICT DO NOTHING",
            mailbox,
            folder,
            parent,
            name_tag,
            sealed,
            gen,
            role,
            modseq,
            modseq,
            modseq,
        )
        == 1
    )


def list_rows(tx: Reader, *, mailbox: int) -> list[FolderRow]:
    """All folders of the mailbox that are not being deleted."""
    return [FolderRow(*row) for row in tx.rows(_SELECT + " AND f.hidden < 2", mailbox)]


@quick
def get_folder(tx: Reader, *, mailbox: int, folder: int) -> FolderRow | None:
    """One folder by id."""
    row = tx.row(_SELECT + " AND f.id = ? AND f.hidden < 2", mailbox, folder)
    return FolderRow(*row) if row is not None else None


@quick
def id_of_role(tx: Reader, *, mailbox: int, role: str) -> int | None:
    """The id of the folder that has a role."""
    row = tx.row("SELECT id FROM folder WHERE mailbox = ? AND role = ?", mailbox, role)
    return int(row[0]) if row is not None else None


@quick
def role_of(tx: Reader, *, mailbox: int, folder: int) -> str | None:
    """The role of a folder, None for one without."""
    row = tx.row("SELECT role FROM folder WHERE mailbox = ? AND id = ?", mailbox, folder)
    return row[0] if row is not None else None


@quick
def find_path(tx: Reader, *, mailbox: int, tags: Sequence[bytes]) -> FolderRow | None:
    """Walk from the root, one index lookup per name tag."""
    parent = 0
    row = None
    for tag in tags:
        row = tx.row(_SELECT + " AND f.parent = ? AND f.name_tag = ?", mailbox, parent, tag)
        if row is None:
            return None
        parent = row[0]
    return FolderRow(*row) if row is not None else None


@quick
def find_child(tx: Reader, *, mailbox: int, parent: int, name_tag: bytes) -> int | None:
    """The id of the folder of this name under a parent (0: the root)."""
    row = tx.row(
        "SELECT id FROM folder WHERE mailbox = ? AND parent = ? AND name_tag = ?",
        mailbox,
        parent,
        name_tag,
    )
    return int(row[0]) if row is not None else None


@quick
def has_children(tx: Reader, *, mailbox: int, folder: int) -> bool:
    """True when a folder lies under this one."""
    sql = "SELECT 1 FROM folder WHERE mailbox = ? AND parent = ? LIMIT 1"
    return tx.row(sql, mailbox, folder) is not None


def take_uids(
    tx: Tx, *, mailbox: int, folder: int, count: int, unread: int, grow: int, modseq: int
) -> tuple[int, int] | None:
    """Take `count` uids and raise the sums; returns the first uid and the uidvalidity shown."""
    row = tx.row(
        "UPDATE folder SET uidnext = uidnext + ?, total = total + ?, unread = unread + ?,"
        " bytes = bytes + ?, modseq = ? WHERE mailbox = ? AND id = ? AND hidden < 2"
        " RETURNING uidnext,"
        " (uidvalidity + (SELECT epoch FROM mailbox m WHERE m.id = folder.mailbox)) & 2147483647",
        count,
        count,
        unread,
        grow,
        modseq,
        mailbox,
        folder,
    )
    return (int(row[0]) - count, int(row[1])) if row is not None else None


def take_uid_of_role(
    tx: Tx, *, mailbox: int, role: str, unread: int, grow: int, modseq: int
) -> tuple[int, int, int] | None:
    """`take_uids` of one item for a role's folder; its id, the uid, the uidvalidity shown."""
    row = tx.row(
        "UPDATE folder SET uidnext = uidnext + 1, total = total + 1, unread = unread + ?,"
        " bytes = bytes + ?, modseq = ? WHERE mailbox = ? AND role = ? AND hidden < 2"
        " RETURNING id, uidnext,"
        " (uidvalidity + (SELECT epoch FROM mailbox m WHERE m.id = folder.mailbox)) & 2147483647",
        unread,
        grow,
        modseq,
        mailbox,
        role,
    )
    return (int(row[0]), int(row[1]) - 1, int(row[2])) if row is not None else None


def adjust_folder(
    tx: Tx, *, mailbox: int, folder: int, total: int, unread: int, grow: int, modseq: int
) -> None:
    """Change the sums of a folder by these differences."""
    tx.run(
        "UPDATE folder SET total = total + ?, unread = unread + ?, bytes = bytes + ?, modseq = ?"
        " WHERE mailbox = ? AND id = ?",
        total,
        unread,
        grow,
        modseq,
        mailbox,
        folder,
    )


def shrink_folder(
    tx: Tx, *, mailbox: int, folder: int, total: int, unread: int, shrink: int, modseq: int
) -> Rank | None:
    """Take `total` items with these sums out of a folder; returns what it is."""
    row = tx.row(
        "UPDATE folder SET total = total - ?, unread = unread - ?, bytes = bytes - ?, modseq = ?"
        " WHERE mailbox = ? AND id = ? RETURNING role, parent, hidden",
        total,
        unread,
        shrink,
        modseq,
        mailbox,
        folder,
    )
    return Rank(*row) if row is not None else None


@quick
def lies_in(tx: Reader, *, mailbox: int, folder: int, role: str) -> bool:
    """True when a folder, or one above it, has this role: a look-up for each level."""
    while folder > 0:
        row = tx.row(
            "SELECT role, parent FROM folder WHERE mailbox = ? AND id = ?", mailbox, folder
        )
        if row is None or row[0] == role:
            return row is not None
        folder = int(row[1])
    return False


def rename_row(
    tx: Tx,
    *,
    mailbox: int,
    folder: int,
    parent: int,
    name_tag: bytes,
    sealed: bytes,
    gen: int,
    modseq: int,
) -> None:
    """Give a folder another name or parent; the caller has checked that it is free."""
    tx.run(
        "UPDATE folder SET parent = ?, name_tag = ?, sealed = ?, gen = ?, modseq = ?"
        " WHERE mailbox = ? AND id = ?",
        parent,
        name_tag,
        sealed,
        gen,
        modseq,
        mailbox,
        folder,
    )


def mark_deleting(
    tx: Tx, *, mailbox: int, folder: int, hidden: int, name_tag: bytes, modseq: int
) -> None:
    """Take a folder out of sight, as DELETING or DELETING_KEPT; its items go in slices."""
    tx.run(
        "UPDATE folder SET hidden = ?, parent = -1, role = NULL, name_tag = ?, modseq = ?"
        " WHERE mailbox = ? AND id = ?",
        hidden,
        name_tag,
        modseq,
        mailbox,
        folder,
    )


def list_deleting(tx: Reader, *, limit: int) -> list[tuple[str, int, int]]:
    """Folders whose deletion has begun: organization, mailbox, folder."""
    rows = tx.rows(
        "SELECT m.org, f.mailbox, f.id FROM folder f JOIN mailbox m ON m.id = f.mailbox"
        " WHERE f.hidden IN (2, 4) LIMIT ?",
        limit,
    )
    return [(row[0], row[1], row[2]) for row in rows]


def delete_row(tx: Tx, *, mailbox: int, folder: int) -> None:
    """Remove the row of an emptied folder."""
    tx.run("DELETE FROM folder WHERE mailbox = ? AND id = ?", mailbox, folder)


def set_first_recent(tx: Tx, *, mailbox: int, folder: int, uid: int) -> int:
    """Claim all uids below `uid` for a session; returns the first that was unclaimed."""
    row = tx.row("SELECT first_recent FROM folder WHERE mailbox = ? AND id = ?", mailbox, folder)
    before = int(row[0]) if row is not None else uid
    if before < uid:
        tx.run(
            "UPDATE folder SET first_recent = ? WHERE mailbox = ? AND id = ? AND first_recent < ?",
            uid,
            mailbox,
            folder,
            uid,
        )
    return before


def insert_subscription(tx: Tx, *, mailbox: int, name_tag: bytes, sealed: bytes, gen: int) -> None:
    """Subscribe to a name; a second time changes nothing (RFC 3501 6.3.6)."""
    tx.run(
        "INSERT INTO subscription (mailbox, name_tag, sealed, gen) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        mailbox,
        name_tag,
        sealed,
        gen,
    )


def delete_subscription(tx: Tx, *, mailbox: int, name_tag: bytes) -> bool:
    """Unsubscribe; False when there was no subscription."""
    return (
        tx.run("DELETE FROM subscription WHERE mailbox = ? AND name_tag = ?", mailbox, name_tag)
        == 1
    )


def list_subscriptions(tx: Reader, *, mailbox: int) -> list[tuple[bytes, bytes, int]]:
    """All subscriptions: tag, sealed name, generation of the key."""
    rows = tx.rows("SELECT name_tag, sealed, gen FROM subscription WHERE mailbox = ?", mailbox)
    return [(row[0], row[1], row[2]) for row in rows]

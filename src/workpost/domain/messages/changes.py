"""Commands that change or remove what is in folders: STORE, EXPUNGE, MOVE. One slice each.

A slice is at most `SLICE` items, so that a command stays under its budget; the shell loops. Each
slice takes the mailbox's lock before it reads, and its counter only when something changes.
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages import flags as bits
from workpost.domain.messages import lessons
from workpost.domain.messages.keeping import Keep, is_thrown_away, keep_rows
from workpost.domain.messages.placement import relocate, take_counter
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import LimitExceeded, MailboxNotFound
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Tx, command
from workpost.store.tables import contents, folders, gone, items, mailboxes
from workpost.store.tables.items import ItemRow

SLICE = 250


class FlagRow(msgspec.Struct, frozen=True, array_like=True):
    """What a client may be told of an item's flags."""

    uid: int
    flags: int
    modseq: int
    keywords: tuple[bytes, ...] = ()


class Changed(msgspec.Struct, frozen=True):
    """Outcome of one slice: the rows after it, and uids refused by UNCHANGEDSINCE.

    `modseq` is the one of this change, 0 when nothing was changed.
    """

    rows: list[FlagRow]
    failed: list[int]
    modseq: int = 0


class Moved(msgspec.Struct, frozen=True):
    """Outcome of one slice of MOVE: (old uid, new uid) pairs."""

    uidvalidity: int
    pairs: list[tuple[int, int]]
    modseq: int


def lock(tx: Tx, grant: Grant) -> None:
    """Take the lock of the grant's mailbox for a change. Raises StaleGrant, MailboxNotFound."""
    check_grant(tx, grant, Right.WRITE)
    row = mailboxes.lock_mailbox(tx, mailbox=grant.mailbox)
    if row is None or row.state != mailboxes.ACTIVE or row.org != grant.organization:
        raise MailboxNotFound("The mailbox is not available.")


@command
def change_flags(
    tx: Tx,
    *,
    grant: Grant,
    folder: int,
    uids: list[int],
    action: str,
    flags: int,
    keywords: list[bytes],
    unchanged_since: int | None,
) -> Changed:
    """STORE on one slice (RFC 3501 6.4.6, RFC 7162 3.1.3). `action`: set, add or remove.

    Raises LimitExceeded, and changes nothing, where a message would have too many keywords.
    """
    lock(tx, grant)
    rows = items.items_by_uid(tx, mailbox=grant.mailbox, folder=folder, uids=uids)
    failed: list[int] = []
    if unchanged_since is not None:
        failed = [row.uid for row in rows if row.modseq > unchanged_since]
        rows = [row for row in rows if row.modseq <= unchanged_since]
    tagged = [row.id for row in rows if row.flags & bits.KEYWORDS]
    have = items.keywords_of(tx, mailbox=grant.mailbox, items=tagged) if tagged else {}
    plan = _FlagPlan()
    for row in rows:
        plan.consider(row, have.get(row.id, []), action, flags, keywords)
    modseq = _apply_flags(tx, grant.mailbox, folder, plan) if plan.changed else 0
    after = [
        FlagRow(uid, new, modseq if uid in plan.changed else before, tuple(words))
        for uid, new, before, words in plan.rows
    ]
    return Changed(after, failed, modseq)


class _FlagPlan:
    """What one STORE slice will write."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, list[bytes]]] = []
        self.changed: dict[int, int] = {}
        self.insert: list[tuple[bytes, int]] = []
        self.delete: list[tuple[bytes, int]] = []
        self.unread = 0

    def consider(
        self, row: ItemRow, have: list[bytes], action: str, flags: int, keywords: list[bytes]
    ) -> None:
        kind: bits.Action = "add" if action == "add" else "set"
        if action == "remove":
            kind = "remove"
        insert, delete = bits.change_keywords(have, kind, keywords)
        words = [word for word in have if word not in delete] + insert
        if insert and len(words) > bits.MAX_KEYWORDS:
            raise LimitExceeded("A message cannot have so many keywords.")
        new = bits.change_bits(row.flags, kind, flags) & ~bits.KEYWORDS
        new |= bits.KEYWORDS if words else 0
        self.rows.append((row.uid, new, row.modseq, words))
        if new == row.flags and not insert and not delete:
            return
        self.changed[row.uid] = new
        self.insert += [(word, row.id) for word in insert]
        self.delete += [(word, row.id) for word in delete]
        self.unread += (row.flags & bits.SEEN) - (new & bits.SEEN)


def _apply_flags(tx: Tx, mailbox: int, folder: int, plan: _FlagPlan) -> int:
    modseq = take_counter(tx, mailbox, grow=0, count=0)
    items.update_flags(
        tx, mailbox=mailbox, folder=folder, modseq=modseq, changes=list(plan.changed.items())
    )
    if plan.insert:
        items.insert_tags(tx, mailbox=mailbox, kind=items.KEYWORD_TAG, pairs=plan.insert)
    if plan.delete:
        items.delete_tags(tx, mailbox=mailbox, kind=items.KEYWORD_TAG, pairs=plan.delete)
    folders.adjust_folder(
        tx, mailbox=mailbox, folder=folder, total=0, unread=plan.unread, grow=0, modseq=modseq
    )
    return modseq


@command
def remove(
    tx: Tx,
    *,
    grant: Grant,
    folder: int,
    uids: list[int],
    only_deleted: bool,
    keep: Keep | None = None,
) -> list[int]:
    """Remove items (EXPUNGE: those with \\Deleted only); returns the uids removed.

    With `keep`, what lies in Deleted Items or under it stays recoverable; without, all is
    destroyed. Raises FolderNotFound, with `keep` only, before the mailbox has its folder of
    recoverable items.
    """
    lock(tx, grant)
    rows = items.items_by_uid(tx, mailbox=grant.mailbox, folder=folder, uids=uids)
    if only_deleted:
        rows = [row for row in rows if row.flags & bits.DELETED]
    if rows:
        remove_rows(tx, mailbox=grant.mailbox, folder=folder, rows=rows, keep=keep)
    return [row.uid for row in rows]


def remove_rows(
    tx: Tx, *, mailbox: int, folder: int, rows: list[ItemRow], keep: Keep | None = None
) -> None:
    """Remove items (at least one) of a folder of a locked mailbox; `keep` as in `remove`."""
    size = sum(row.size for row in rows)
    modseq = take_counter(tx, mailbox, grow=-size, count=-len(rows))
    rank = folders.shrink_folder(
        tx,
        mailbox=mailbox,
        folder=folder,
        total=len(rows),
        unread=_unread(rows),
        shrink=size,
        modseq=modseq,
    )
    lost = rows
    if keep is not None and is_thrown_away(tx, mailbox, rank):
        lost = keep_rows(tx, keep=keep, mailbox=mailbox, folder=folder, rows=rows, modseq=modseq)
    if lost:
        items.delete_items(tx, lost)
        contents.release_contents(tx, sorted({row.content for row in lost}))
    gone.insert(tx, rows, modseq=modseq, at=tx.env.now())


@command
def remove_folder(tx: Tx, *, grant: Grant, folder: int) -> None:
    """Remove the row of a folder that was emptied after `begin_delete`."""
    lock(tx, grant)
    folders.delete_row(tx, mailbox=grant.mailbox, folder=folder)


@command
def move(tx: Tx, *, grant: Grant, folder: int, uids: list[int], target: int) -> Moved:
    """Move one slice to another folder of the mailbox (RFC 6851); nothing is resealed."""
    lock(tx, grant)
    rows = items.items_by_uid(tx, mailbox=grant.mailbox, folder=folder, uids=uids)
    if not rows:
        return Moved(0, [], 0)
    moved = move_rows(tx, mailbox=grant.mailbox, folder=folder, rows=rows, target=target)
    lessons.note_move(
        tx,
        org=grant.organization,
        source=(grant.mailbox, folder),
        target=(grant.mailbox, target),
        items=[(row.id, row.content) for row in rows],
    )
    return moved


def move_rows(tx: Tx, *, mailbox: int, folder: int, rows: list[ItemRow], target: int) -> Moved:
    """Move items (at least one) of a folder of a locked mailbox. Raises FolderNotFound."""
    modseq = take_counter(tx, mailbox, grow=0, count=0)
    pairs, uidvalidity = relocate(
        tx, rows, mailbox=mailbox, folder=folder, target=target, modseq=modseq
    )
    gone.insert(tx, rows, modseq=modseq, at=tx.env.now())
    folders.adjust_folder(
        tx,
        mailbox=mailbox,
        folder=folder,
        total=-len(rows),
        unread=-_unread(rows),
        grow=-sum(row.size for row in rows),
        modseq=modseq,
    )
    return Moved(uidvalidity, pairs, modseq)


def _unread(rows: list[ItemRow]) -> int:
    return bits.count_unread(row.flags for row in rows)

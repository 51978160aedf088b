"""What `workpost check` reads and repairs. Every query is a slice of bounded cost, by key."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, command, quick
from workpost.store.tables.mailboxes import PURGING
from workpost.store.tables.organizations import DELETING

MAILBOX_TABLES = (
    "folder",
    "item",
    "summary",
    "item_tag",
    "subscription",
    "gone",
    "sieve_script",
    "sieve_memory",
    "out_of_office",
)
"""Tables whose primary key begins with the mailbox."""


class FolderSums(msgspec.Struct, frozen=True):
    """A folder as its row has it, or as its items say (`uidnext` then follows the highest uid)."""

    folder: int
    uidnext: int
    total: int
    unread: int
    bytes: int
    modseq: int


class MailboxSums(msgspec.Struct, frozen=True):
    """A mailbox as its row has it, or as its items say."""

    mailbox: int
    bytes: int
    items: int
    modseq: int


def page_mailboxes(tx: Reader, *, after: int, limit: int) -> list[Row]:
    """Rows (id, org, state, organization's state or None), by id."""
    return tx.rows(
        "SELECT m.id, m.org, m.state, o.state FROM mailbox m"
        " LEFT JOIN organization o ON o.id = m.org WHERE m.id > ? ORDER BY m.id LIMIT ?",
        after,
        limit,
    )


@quick
def is_going(tx: Reader, *, mailbox: int) -> bool:
    """True when a mailbox is gone, or is being removed by itself or with its organization."""
    row = tx.row(
        "SELECT m.state, o.state FROM mailbox m LEFT JOIN organization o ON o.id = m.org"
        " WHERE m.id = ?",
        mailbox,
    )
    return row is None or row[0] == PURGING or row[1] == DELETING


def stated_sums(tx: Reader, *, mailbox: int) -> tuple[MailboxSums, list[FolderSums]] | None:
    """What the rows of a mailbox and its folders say."""
    row = tx.row("SELECT id, bytes, items, modseq FROM mailbox WHERE id = ?", mailbox)
    if row is None:
        return None
    folders = tx.rows(
        "SELECT id, uidnext, total, unread, bytes, modseq FROM folder WHERE mailbox = ?"
        " ORDER BY id",
        mailbox,
    )
    return MailboxSums(*row), [FolderSums(*folder) for folder in folders]


def count_items(
    tx: Reader, *, mailbox: int, after: tuple[int, int], limit: int
) -> list[FolderSums]:
    """Sums of the next `limit` items after (folder, uid), one entry for each folder among them.

    `uidnext` is one above the highest uid of the slice, by which the next slice goes on.
    """
    rows = tx.rows(
        "SELECT folder, MAX(uid) + 1, COUNT(*), SUM(CASE WHEN (flags & 1) = 0 THEN 1 ELSE 0 END),"
        " SUM(size), MAX(modseq) FROM (SELECT folder, uid, flags, size, modseq FROM item"
        " WHERE mailbox = ? AND (folder, uid) > (?, ?) ORDER BY folder, uid LIMIT ?) slice"
        " GROUP BY folder ORDER BY folder",
        mailbox,
        *after,
        limit,
    )
    return [FolderSums(*row) for row in rows]


def highest_gone(tx: Reader, *, mailbox: int) -> int:
    """The highest modseq of a mailbox's tombstones."""
    row = tx.row("SELECT modseq FROM gone WHERE mailbox = ? ORDER BY modseq DESC LIMIT 1", mailbox)
    return int(row[0]) if row is not None else 0


@command
def set_sums(tx: Tx, *, seen: int, mailbox: MailboxSums, folders: list[FolderSums]) -> bool:
    """Write recounted sums, unless the mailbox was changed since it stood at modseq `seen`."""
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    row = tx.row(f"SELECT modseq FROM mailbox WHERE id = ?{lock}", mailbox.mailbox)
    if row is None or row[0] != seen:
        return False
    tx.run(
        "UPDATE mailbox SET bytes = ?, items = ?, modseq = ? WHERE id = ?",
        mailbox.bytes,
        mailbox.items,
        mailbox.modseq,
        mailbox.mailbox,
    )
    tx.many(
        "UPDATE folder SET uidnext = ?, total = ?, unread = ?, bytes = ?"
        " WHERE mailbox = ? AND id = ?",
        [(f.uidnext, f.total, f.unread, f.bytes, mailbox.mailbox, f.folder) for f in folders],
    )
    return True


def page_holdings(tx: Reader, *, mailbox: int, after: tuple[int, int], limit: int) -> list[Row]:
    """What each item has: rows (folder, uid, item, item's size, generation or None, content id,
    content's size or None, place or None, length of its inline bytes or None).
    """
    return tx.rows(
        "SELECT i.folder, i.uid, i.id, i.size, s.gen, i.content, c.size, c.place, length(b.sealed)"
        " FROM (SELECT mailbox, folder, uid, id, size, content FROM item"
        " WHERE mailbox = ? AND (folder, uid) > (?, ?) ORDER BY folder, uid LIMIT ?) i"
        " LEFT JOIN summary s ON s.mailbox = i.mailbox AND s.item = i.id"
        " LEFT JOIN content c ON c.id = i.content"
        " LEFT JOIN content_bytes b ON b.id = i.content ORDER BY i.folder, i.uid",
        mailbox,
        *after,
        limit,
    )


def read_summary(tx: Reader, *, mailbox: int, item: int) -> Row | None:
    """(generation, wrapped content key, sealed summary) of one item."""
    return tx.row(
        "SELECT gen, wrapped_content_key, sealed FROM summary WHERE mailbox = ? AND item = ?",
        mailbox,
        item,
    )


@command
def replace_summary(tx: Tx, *, mailbox: int, item: int, old: bytes, sealed: bytes) -> bool:
    """Replace a sealed summary that is still as it was read."""
    return (
        tx.run(
            "UPDATE summary SET sealed = ? WHERE mailbox = ? AND item = ? AND sealed = ?",
            sealed,
            mailbox,
            item,
            old,
        )
        == 1
    )


@command
def replace_message_tag(tx: Tx, *, mailbox: int, item: int, tag: bytes | None) -> bool:
    """Make the tag of an item's Message-ID this one; False when it was already."""
    row = tx.row("SELECT message_tag FROM item WHERE mailbox = ? AND id = ?", mailbox, item)
    if row is None or row[0] == tag:
        return False
    tx.run("UPDATE item SET message_tag = ? WHERE mailbox = ? AND id = ?", tag, mailbox, item)
    return True


# --- rows that refer to nothing ------------------------------------------------------------------


def page_strays(tx: Reader, *, table: str, mailbox: int, after: int, limit: int) -> list[Row]:
    """Rows (item, is a stray: 0 or 1) of `summary` or `item_tag` in one mailbox, by item."""
    if table not in {"summary", "item_tag"}:
        raise ValueError(table)
    return tx.rows(
        "SELECT s.item, CASE WHEN i.id IS NULL THEN 1 ELSE 0 END FROM"
        f" (SELECT DISTINCT mailbox, item FROM {table} WHERE mailbox = ? AND item > ?"
        " ORDER BY item LIMIT ?) s LEFT JOIN item i ON i.mailbox = s.mailbox AND i.id = s.item"
        " ORDER BY s.item",
        mailbox,
        after,
        limit,
    )


@command
def delete_strays(tx: Tx, *, table: str, mailbox: int, items: list[int]) -> None:
    """Delete summaries or tags of items that are (still) not there."""
    if table not in {"summary", "item_tag"}:
        raise ValueError(table)
    tx.many(
        f"DELETE FROM {table} WHERE mailbox = ? AND item = ? AND NOT EXISTS"
        f" (SELECT 1 FROM item i WHERE i.mailbox = {table}.mailbox AND i.id = {table}.item)",
        [(mailbox, item) for item in items],
    )


def next_mailbox(tx: Reader, *, table: str, after: int) -> Row | None:
    """(mailbox, exists: 0 or 1) of the lowest mailbox id above `after` that a table knows."""
    if table not in MAILBOX_TABLES:
        raise ValueError(table)
    return tx.row(
        f"SELECT t.mailbox, CASE WHEN m.id IS NULL THEN 0 ELSE 1 END FROM (SELECT mailbox FROM"
        f" {table} WHERE mailbox > ? ORDER BY mailbox LIMIT 1) t"
        " LEFT JOIN mailbox m ON m.id = t.mailbox",
        after,
    )


def page_contents(tx: Reader, *, after: bytes, limit: int) -> list[Row]:
    """Rows (id, is unreferenced and no candidate: 0 or 1), by id."""
    return tx.rows(
        "SELECT c.id, CASE WHEN"
        " EXISTS (SELECT 1 FROM item i WHERE i.content = c.id)"
        " OR EXISTS (SELECT 1 FROM queue q WHERE q.content = c.id)"
        " OR EXISTS (SELECT 1 FROM in_transit t WHERE t.content = c.id)"
        " OR EXISTS (SELECT 1 FROM content_garbage g WHERE g.id = c.id) THEN 0 ELSE 1 END"
        " FROM content c WHERE c.id > ? ORDER BY c.id LIMIT ?",
        after,
        limit,
    )


def page_stray_bytes(tx: Reader, *, after: bytes, limit: int) -> list[Row]:
    """Rows (id, is without a content row: 0 or 1) of inline bytes, by id."""
    return tx.rows(
        "SELECT b.id, CASE WHEN c.id IS NULL THEN 1 ELSE 0 END FROM content_bytes b"
        " LEFT JOIN content c ON c.id = b.id WHERE b.id > ? ORDER BY b.id LIMIT ?",
        after,
        limit,
    )


@command
def delete_stray_bytes(tx: Tx, *, ids: list[bytes]) -> None:
    """Delete inline bytes that (still) have no content row."""
    tx.many(
        "DELETE FROM content_bytes WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM content c WHERE c.id = content_bytes.id)",
        [(content_id,) for content_id in ids],
    )


def page_queue(tx: Reader, *, after: int, limit: int) -> list[Row]:
    """Rows (id, recipients, content is there: 0 or 1), by id."""
    return tx.rows(
        "SELECT q.id, (SELECT COUNT(*) FROM queue_rcpt r WHERE r.queue = q.id),"
        " CASE WHEN EXISTS (SELECT 1 FROM content c WHERE c.id = q.content) THEN 1 ELSE 0 END"
        " FROM queue q WHERE q.id > ? ORDER BY q.id LIMIT ?",
        after,
        limit,
    )


def page_in_transit(tx: Reader, *, after: str, limit: int) -> list[Row]:
    """Rows (id, content is there: 0 or 1) of messages in transit, by id."""
    return tx.rows(
        "SELECT t.id, CASE WHEN EXISTS (SELECT 1 FROM content c WHERE c.id = t.content) THEN 1"
        " ELSE 0 END FROM in_transit t WHERE t.id > ? ORDER BY t.id LIMIT ?",
        after,
        limit,
    )


def page_stray_recipients(tx: Reader, *, after: int, limit: int) -> list[Row]:
    """Rows (queue, has an entry: 0 or 1) of recipients, by queue."""
    return tx.rows(
        "SELECT r.queue, CASE WHEN q.id IS NULL THEN 0 ELSE 1 END FROM (SELECT DISTINCT queue"
        " FROM queue_rcpt WHERE queue > ? ORDER BY queue LIMIT ?) r"
        " LEFT JOIN queue q ON q.id = r.queue ORDER BY r.queue",
        after,
        limit,
    )


def delete_empty_queue(tx: Tx, *, ids: list[int]) -> list[bytes]:
    """Delete entries without recipients and recipients without an entry; returns the contents."""
    released = []
    for queue in ids:
        row = tx.row(
            "DELETE FROM queue WHERE id = ? AND NOT EXISTS"
            " (SELECT 1 FROM queue_rcpt r WHERE r.queue = queue.id) RETURNING content",
            queue,
        )
        if row is not None:
            released.append(bytes(row[0]))
    tx.many(
        "DELETE FROM queue_rcpt WHERE queue = ? AND NOT EXISTS"
        " (SELECT 1 FROM queue q WHERE q.id = queue_rcpt.queue)",
        [(queue,) for queue in ids],
    )
    return released


def page_addresses(tx: Reader, *, after: str, limit: int) -> list[Row]:
    """Rows (address, has an entity: 0 or 1), by address."""
    return tx.rows(
        "SELECT a.addr_fold, CASE WHEN e.id IS NULL THEN 0 ELSE 1 END FROM address a"
        " LEFT JOIN entity e ON e.org = a.org AND e.id = a.entity"
        " WHERE a.addr_fold > ? ORDER BY a.addr_fold LIMIT ?",
        after,
        limit,
    )


@command
def delete_addresses(tx: Tx, *, addresses: list[str]) -> None:
    """Delete addresses that (still) belong to nobody."""
    tx.many(
        "DELETE FROM address WHERE addr_fold = ? AND NOT EXISTS"
        " (SELECT 1 FROM entity e WHERE e.org = address.org AND e.id = address.entity)",
        [(address,) for address in addresses],
    )

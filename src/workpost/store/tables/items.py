"""Rows of `item`, `summary` and `item_tag`: what lies in folders (what has left them: `gone.py`).

`item` is narrow and hot; FETCH FLAGS reads a range of it and nothing else. `summary` is touched
neither by STORE nor by MOVE. `item_tag` holds keywords.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, Value, quick

MESSAGE = 1
KEYWORD_TAG = 1

IN_LIST = 100
"""Values in one IN list; shorter lists are padded, so that few statements exist."""


class ItemRow(msgspec.Struct, frozen=True):
    """The columns of one item."""

    mailbox: int
    folder: int
    uid: int
    id: int
    object: int
    thread: int
    kind: int
    flags: int
    size: int
    received: int
    saved: int
    changed: int
    created_modseq: int
    content_modseq: int
    modseq: int
    content: bytes
    message_tag: bytes | None
    """Keyed tag of the Message-ID, by which replies find the thread."""


_COLUMNS = (
    "mailbox, folder, uid, id, object, thread, kind, flags, size, received, saved, changed,"
    " created_modseq, content_modseq, modseq, content, message_tag"
)
_BETWEEN = "FROM item WHERE mailbox = ? AND folder = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?"
_FLAGS_BETWEEN = f"SELECT uid, flags, modseq, id {_BETWEEN}"
_ITEMS_BETWEEN = f"SELECT uid, flags, modseq, id, size, received {_BETWEEN}"
_ABOVE = "FROM item WHERE mailbox = ? AND folder = ? AND uid > ? ORDER BY uid LIMIT ?"
_UIDS_ABOVE = f"SELECT uid {_ABOVE}"
_AGES_ABOVE = f"SELECT uid, kind, received, saved, changed {_ABOVE}"
_INSERT = f"INSERT INTO item ({_COLUMNS}) VALUES ({', '.join('?' * 17)})"


def insert_message(
    tx: Tx,
    *,
    mailbox: int,
    folder: int,
    uid: int,
    item: int,
    object: int,
    thread: int,
    flags: int,
    size: int,
    received: int,
    now: int,
    modseq: int,
    content: bytes,
    message_tag: bytes | None,
) -> None:
    """Insert an item that came at `now`, at the mailbox's `modseq`."""
    tx.run(
        _INSERT,
        mailbox,
        folder,
        uid,
        item,
        object,
        thread,
        MESSAGE,
        flags,
        size,
        received,
        now,
        now,
        modseq,
        modseq,
        modseq,
        content,
        message_tag,
    )


def insert_summary(
    tx: Tx, *, mailbox: int, item: int, sealed: bytes, wrapped_content_key: bytes, gen: int
) -> None:
    """Insert the sealed summary of an item and its wrapped content key."""
    tx.run(
        "INSERT INTO summary (mailbox, item, sealed, wrapped_content_key, gen)"
        " VALUES (?, ?, ?, ?, ?)",
        mailbox,
        item,
        sealed,
        wrapped_content_key,
        gen,
    )


def insert_tags(tx: Tx, *, mailbox: int, kind: int, pairs: Sequence[tuple[bytes, int]]) -> None:
    """Insert (tag, item) pairs; those that exist stay."""
    tx.many(
        "INSERT INTO item_tag (mailbox, kind, tag, item) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(mailbox, kind, tag, item) for tag, item in pairs],
    )


def delete_tags(tx: Tx, *, mailbox: int, kind: int, pairs: Sequence[tuple[bytes, int]]) -> None:
    """Delete (tag, item) pairs."""
    tx.many(
        "DELETE FROM item_tag WHERE mailbox = ? AND kind = ? AND tag = ? AND item = ?",
        [(mailbox, kind, tag, item) for tag, item in pairs],
    )


def _chunks(values: Sequence[Value]) -> Iterator[tuple[Value, ...]]:
    for start in range(0, len(values), IN_LIST):
        chunk = tuple(values[start : start + IN_LIST])
        yield chunk + (chunk[-1],) * (IN_LIST - len(chunk))


_MARKS = ", ".join("?" * IN_LIST)


def keywords_of(tx: Reader, *, mailbox: int, items: Sequence[int]) -> dict[int, list[bytes]]:
    """Keywords by item, for the items whose flags say that they have some."""
    found: dict[int, list[bytes]] = {}
    for chunk in _chunks(items):
        rows = tx.rows(
            f"SELECT item, tag FROM item_tag WHERE mailbox = ? AND item IN ({_MARKS}) AND kind = 1",
            mailbox,
            *chunk,
        )
        for item, keyword in rows:
            found.setdefault(item, []).append(keyword)
    return found


def thread_of(tx: Reader, *, mailbox: int, tags: Sequence[bytes]) -> int | None:
    """The thread of an item whose Message-ID tag is among `tags` (at most IN_LIST)."""
    if not tags:
        return None
    marks = ", ".join("?" * len(tags))
    row = tx.row(
        f"SELECT thread FROM item WHERE mailbox = ? AND message_tag IN ({marks}) LIMIT 1",
        mailbox,
        *tags,
    )
    return int(row[0]) if row is not None else None


def places_of_tag(tx: Reader, *, mailbox: int, tag: bytes) -> list[Row]:
    """Rows (role of the folder, uid) of the items with a Message-ID tag, a hundred at most."""
    return tx.rows(
        "SELECT f.role, i.uid FROM item i JOIN folder f ON f.mailbox = i.mailbox"
        " AND f.id = i.folder WHERE i.mailbox = ? AND i.message_tag = ? AND f.hidden < 2"
        " ORDER BY i.folder, i.uid LIMIT 100",
        mailbox,
        tag,
    )


def all_uids(tx: Reader, *, mailbox: int, folder: int, after: int, limit: int) -> list[Row]:
    """One-column rows of uids above `after`, ascending."""
    return tx.rows(_UIDS_ABOVE, mailbox, folder, after, limit)


@quick
def uid_bounds(tx: Reader, *, mailbox: int, folder: int) -> tuple[int, int]:
    """Lowest and highest uid of a folder; (0, 0) when it is empty."""
    low = tx.row(
        "SELECT uid FROM item WHERE mailbox = ? AND folder = ? ORDER BY uid LIMIT 1",
        mailbox,
        folder,
    )
    high = tx.row(
        "SELECT uid FROM item WHERE mailbox = ? AND folder = ? ORDER BY uid DESC LIMIT 1",
        mailbox,
        folder,
    )
    return (int(low[0]), int(high[0])) if low is not None and high is not None else (0, 0)


@quick
def first_unseen(tx: Reader, *, mailbox: int, folder: int) -> int | None:
    """Uid of the first item without \\Seen, from the partial index."""
    row = tx.row(
        "SELECT uid FROM item WHERE mailbox = ? AND folder = ? AND (flags & 1) = 0"
        " ORDER BY uid LIMIT 1",
        mailbox,
        folder,
    )
    return int(row[0]) if row is not None else None


def page_flags(
    tx: Reader, *, mailbox: int, folder: int, low: int, high: int, limit: int
) -> list[Row]:
    """Rows (uid, flags, modseq, id) of a uid range, ascending."""
    return tx.rows(_FLAGS_BETWEEN, mailbox, folder, low, high, limit)


def page_summaries(
    tx: Reader, *, mailbox: int, folder: int, low: int, high: int, limit: int
) -> list[Row]:
    """Rows (uid, flags, modseq, id, size, received, content, sealed, wrapped key, gen)."""
    return tx.rows(
        "SELECT i.uid, i.flags, i.modseq, i.id, i.size, i.received, i.content, s.sealed,"
        " s.wrapped_content_key, s.gen FROM item i"
        " JOIN summary s ON s.mailbox = i.mailbox AND s.item = i.id"
        " WHERE i.mailbox = ? AND i.folder = ? AND i.uid BETWEEN ? AND ? ORDER BY i.uid LIMIT ?",
        mailbox,
        folder,
        low,
        high,
        limit,
    )


def page_items(
    tx: Reader, *, mailbox: int, folder: int, low: int, high: int, limit: int
) -> list[Row]:
    """Rows (uid, flags, modseq, id, size, received) of a uid range, ascending."""
    return tx.rows(_ITEMS_BETWEEN, mailbox, folder, low, high, limit)


def page_contents(tx: Reader, *, mailbox: int, folder: int, after: int, limit: int) -> list[Row]:
    """Rows (uid, id, kind, size, received, content, wrapped key, gen) above a uid, ascending.

    The last two are NULL for an item without a summary.
    """
    return tx.rows(
        "SELECT i.uid, i.id, i.kind, i.size, i.received, i.content, s.wrapped_content_key, s.gen"
        " FROM item i LEFT JOIN summary s ON s.mailbox = i.mailbox AND s.item = i.id"
        " WHERE i.mailbox = ? AND i.folder = ? AND i.uid > ? ORDER BY i.uid LIMIT ?",
        mailbox,
        folder,
        after,
        limit,
    )


def changed_flags(
    tx: Reader, *, mailbox: int, folder: int, modseq: int, uid: int, limit: int
) -> list[Row]:
    """Rows (uid, flags, modseq, id) changed after (modseq, uid), in that order."""
    return tx.rows(
        "SELECT uid, flags, modseq, id FROM item WHERE mailbox = ? AND folder = ?"
        " AND (modseq, uid) > (?, ?) ORDER BY modseq, uid LIMIT ?",
        mailbox,
        folder,
        modseq,
        uid,
        limit,
    )


def items_by_uid(tx: Reader, *, mailbox: int, folder: int, uids: Sequence[int]) -> list[ItemRow]:
    """Whole item rows for these uids, ascending; uids that are not there are left out."""
    if not uids:
        return []
    if uids[-1] - uids[0] + 1 == len(uids):
        rows = tx.rows(
            f"SELECT {_COLUMNS} FROM item WHERE mailbox = ? AND folder = ? AND uid BETWEEN ? AND ?"
            " ORDER BY uid",
            mailbox,
            folder,
            uids[0],
            uids[-1],
        )
        return [ItemRow(*row) for row in rows]
    found: list[ItemRow] = []
    for chunk in _chunks(uids):
        rows = tx.rows(
            f"SELECT {_COLUMNS} FROM item WHERE mailbox = ? AND folder = ? AND uid IN ({_MARKS})"
            " ORDER BY uid",
            mailbox,
            folder,
            *chunk,
        )
        found.extend(ItemRow(*row) for row in rows)
    return found


def summaries_of(tx: Reader, *, mailbox: int, items: Sequence[int]) -> dict[int, Row]:
    """Rows (sealed, wrapped key, gen) by item id."""
    found: dict[int, Row] = {}
    for chunk in _chunks(items):
        rows = tx.rows(
            "SELECT item, sealed, wrapped_content_key, gen FROM summary"
            f" WHERE mailbox = ? AND item IN ({_MARKS})",
            mailbox,
            *chunk,
        )
        found.update((row[0], row[1:]) for row in rows)
    return found


def deleted_uids(
    tx: Reader, *, mailbox: int, folder: int, low: int, high: int, limit: int, bit: int
) -> list[Row]:
    """One-column rows of uids in the range whose flags hold `bit`."""
    return tx.rows(
        "SELECT uid FROM item WHERE mailbox = ? AND folder = ? AND uid BETWEEN ? AND ?"
        " AND (flags & ?) <> 0 ORDER BY uid LIMIT ?",
        mailbox,
        folder,
        low,
        high,
        bit,
        limit,
    )


def page_ages(tx: Reader, *, mailbox: int, folder: int, after: int, limit: int) -> list[Row]:
    """Rows (uid, kind, received, saved, changed) with uids above `after`, ascending."""
    return tx.rows(_AGES_ABOVE, mailbox, folder, after, limit)


def update_flags(
    tx: Tx, *, mailbox: int, folder: int, modseq: int, changes: Sequence[tuple[int, int]]
) -> None:
    """Set the flags of (uid, flags) pairs."""
    tx.many(
        "UPDATE item SET flags = ?, modseq = ? WHERE mailbox = ? AND folder = ? AND uid = ?",
        [(flags, modseq, mailbox, folder, uid) for uid, flags in changes],
    )


def replace_place(
    tx: Tx,
    *,
    mailbox: int,
    folder: int,
    target: int,
    saved: int,
    modseq: int,
    pairs: Sequence[tuple[int, int]],
) -> None:
    """Move items to another folder: (old uid, new uid) pairs."""
    tx.many(
        "UPDATE item SET folder = ?, uid = ?, saved = ?, modseq = ?"
        " WHERE mailbox = ? AND folder = ? AND uid = ?",
        [(target, new, saved, modseq, mailbox, folder, old) for old, new in pairs],
    )


def delete_items(tx: Tx, rows: Sequence[ItemRow]) -> None:
    """Delete items with their summaries and tags; their contents are released by the caller."""
    tx.many(
        "DELETE FROM item WHERE mailbox = ? AND folder = ? AND uid = ?",
        [(row.mailbox, row.folder, row.uid) for row in rows],
    )
    pairs = [(row.mailbox, row.id) for row in rows]
    tx.many("DELETE FROM summary WHERE mailbox = ? AND item = ?", pairs)
    tx.many("DELETE FROM item_tag WHERE mailbox = ? AND item = ?", pairs)

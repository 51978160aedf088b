"""Queries on items: pages by key, each one snapshot. Nothing is opened here (see `shell.py`)."""

from __future__ import annotations

import msgspec

from workpost.domain.messages import flags as bits
from workpost.domain.messages.changes import FlagRow
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import MailboxNotFound
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader, Row, quick
from workpost.store.tables import gone as gone_rows
from workpost.store.tables import items, mailboxes


class ChangePage(msgspec.Struct, frozen=True):
    """Changes of a folder after a modseq, one page of each kind."""

    modseq: int
    """The mailbox's counter in this snapshot."""
    complete: bool
    """False when tombstones that old have been dropped: the client must look at everything."""
    rows: list[FlagRow]
    gone: list[tuple[int, int]]
    """(modseq, uid) of what left the folder."""


def with_keywords(tx: Reader, mailbox: int, rows: list[Row]) -> list[FlagRow]:
    """Flag rows from (uid, flags, modseq, id) rows."""
    tagged = [row[3] for row in rows if row[1] & bits.KEYWORDS]
    if not tagged:
        return [FlagRow(row[0], row[1], row[2]) for row in rows]
    have = items.keywords_of(tx, mailbox=mailbox, items=tagged)
    return [FlagRow(row[0], row[1], row[2], tuple(have.get(row[3], ()))) for row in rows]


def uids_after(tx: Reader, *, grant: Grant, folder: int, after: int, limit: int) -> list[int]:
    """Uids above `after`, ascending."""
    check_grant(tx, grant, Right.READ)
    rows = items.all_uids(tx, mailbox=grant.mailbox, folder=folder, after=after, limit=limit)
    return [row[0] for row in rows]


@quick
def uid_bounds(tx: Reader, *, grant: Grant, folder: int) -> tuple[int, int]:
    """Lowest and highest uid; (0, 0) for an empty folder."""
    check_grant(tx, grant, Right.READ)
    return items.uid_bounds(tx, mailbox=grant.mailbox, folder=folder)


@quick
def first_unseen(tx: Reader, *, grant: Grant, folder: int) -> int | None:
    """Uid of the first item without \\Seen."""
    check_grant(tx, grant, Right.READ)
    return items.first_unseen(tx, mailbox=grant.mailbox, folder=folder)


def flags_page(
    tx: Reader, *, grant: Grant, folder: int, low: int, high: int, limit: int
) -> list[FlagRow]:
    """Flags of a uid range."""
    check_grant(tx, grant, Right.READ)
    rows = items.page_flags(
        tx, mailbox=grant.mailbox, folder=folder, low=low, high=high, limit=limit
    )
    return with_keywords(tx, grant.mailbox, rows)


def plain_flags_page(
    tx: Reader, *, grant: Grant, folder: int, low: int, high: int, limit: int
) -> tuple[list[Row], dict[int, list[bytes]]]:
    """The hot path of FETCH FLAGS: rows (uid, flags, modseq, id) as they come, keywords by id."""
    check_grant(tx, grant, Right.READ)
    rows = items.page_flags(
        tx, mailbox=grant.mailbox, folder=folder, low=low, high=high, limit=limit
    )
    tagged = [row[3] for row in rows if row[1] & bits.KEYWORDS]
    have = items.keywords_of(tx, mailbox=grant.mailbox, items=tagged) if tagged else {}
    return rows, have


def items_page(
    tx: Reader, *, grant: Grant, folder: int, low: int, high: int, limit: int
) -> tuple[list[Row], dict[int, list[bytes]]]:
    """Rows (uid, flags, modseq, id, size, received) of a uid range, keywords by id."""
    check_grant(tx, grant, Right.READ)
    rows = items.page_items(
        tx, mailbox=grant.mailbox, folder=folder, low=low, high=high, limit=limit
    )
    tagged = [row[3] for row in rows if row[1] & bits.KEYWORDS]
    have = items.keywords_of(tx, mailbox=grant.mailbox, items=tagged) if tagged else {}
    return rows, have


def summaries_page(
    tx: Reader, *, grant: Grant, folder: int, low: int, high: int, limit: int
) -> tuple[list[Row], dict[int, list[bytes]]]:
    """Rows as `items.page_summaries` has them, and keywords by id."""
    check_grant(tx, grant, Right.READ)
    rows = items.page_summaries(
        tx, mailbox=grant.mailbox, folder=folder, low=low, high=high, limit=limit
    )
    tagged = [row[3] for row in rows if row[1] & bits.KEYWORDS]
    have = items.keywords_of(tx, mailbox=grant.mailbox, items=tagged) if tagged else {}
    return rows, have


def items_with_summaries(
    tx: Reader, *, grant: Grant, folder: int, uids: list[int]
) -> list[tuple[items.ItemRow, Row, list[bytes]]]:
    """Whole items with their (sealed, wrapped key, gen) and keywords, for COPY."""
    check_grant(tx, grant, Right.READ)
    found = items.items_by_uid(tx, mailbox=grant.mailbox, folder=folder, uids=uids)
    summaries = items.summaries_of(tx, mailbox=grant.mailbox, items=[row.id for row in found])
    tagged = [row.id for row in found if row.flags & bits.KEYWORDS]
    have = items.keywords_of(tx, mailbox=grant.mailbox, items=tagged) if tagged else {}
    return [(row, summaries[row.id], have.get(row.id, [])) for row in found if row.id in summaries]


def deleted_uids(
    tx: Reader, *, grant: Grant, folder: int, low: int, high: int, limit: int
) -> list[int]:
    """Uids of a range that have \\Deleted."""
    check_grant(tx, grant, Right.READ)
    rows = items.deleted_uids(
        tx,
        mailbox=grant.mailbox,
        folder=folder,
        low=low,
        high=high,
        limit=limit,
        bit=bits.DELETED,
    )
    return [row[0] for row in rows]


def changes_page(
    tx: Reader,
    *,
    grant: Grant,
    folder: int,
    since: tuple[int, int],
    gone_since: tuple[int, int],
    limit: int,
) -> ChangePage:
    """Changes after `since` and departures after `gone_since`, both (modseq, uid)."""
    check_grant(tx, grant, Right.READ)
    mailbox = mailboxes.get_mailbox(tx, mailbox=grant.mailbox)
    if mailbox is None or mailbox.org != grant.organization:
        raise MailboxNotFound("The mailbox is not available.")
    rows = items.changed_flags(
        tx, mailbox=grant.mailbox, folder=folder, modseq=since[0], uid=since[1], limit=limit
    )
    gone = gone_rows.page_uids(
        tx,
        mailbox=grant.mailbox,
        folder=folder,
        modseq=gone_since[0],
        uid=gone_since[1],
        limit=limit,
    )
    return ChangePage(
        modseq=mailbox.modseq,
        complete=gone_since[0] >= mailbox.floor_modseq,
        rows=with_keywords(tx, grant.mailbox, rows),
        gone=[(row[0], row[1]) for row in gone],
    )

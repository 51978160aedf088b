"""Placing items in folders: the one way in, for delivery, APPEND and COPY.

Mailboxes are taken in ascending id.
"""

from __future__ import annotations

import msgspec

from workpost.domain.mailboxes.folders import ensure_folders
from workpost.domain.messages import flags as bits
from workpost.domain.messages import lessons
from workpost.domain.messages.prepare import NewItem
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import FolderNotFound, MailboxNotFound, QuotaExceeded
from workpost.kernel.principal import Grant, Right
from workpost.store.content.types import Placed
from workpost.store.database.unit import Tx, command
from workpost.store.tables import contents, folders, items, mailboxes
from workpost.store.tables.items import ItemRow


class Placement(msgspec.Struct, frozen=True):
    """Where items came to lie: consecutive uids from `first_uid`, all with one modseq."""

    mailbox: int
    folder: int
    uidvalidity: int
    first_uid: int
    modseq: int


def place_each(tx: Tx, new: list[NewItem]) -> list[Placement]:
    """Place items in their folders, mailboxes in ascending id."""
    if len(new) > 1:
        new = sorted(new, key=lambda item: item.mailbox)
    return [_place(tx, item) for item in new]


def _place(tx: Tx, item: NewItem) -> Placement:
    """Place an item in the folder that it names, made where that is asked for, else by its role."""
    mailbox, size = item.mailbox, item.size
    modseq = take_counter(tx, mailbox, grow=size, count=1)
    folder = item.folder
    if item.chain:
        folder = ensure_folders(tx, mailbox=mailbox, chain=item.chain)
        # A folder that was made has taken a number of its own; the item's comes after it.
        modseq = take_counter(tx, mailbox, grow=0, count=0)
    unread = 0 if item.flags & bits.SEEN else 1
    taken = _take_uid(tx, item, folder, unread, modseq)
    if taken is None:
        raise MailboxNotFound("The mailbox does not exist.")
    folder, uid, uidvalidity = taken
    _insert(tx, item, folder=folder, uid=uid, modseq=modseq, now=tx.env.now())
    return Placement(mailbox, folder, uidvalidity, uid, modseq)


def _take_uid(
    tx: Tx, item: NewItem, folder: int, unread: int, modseq: int
) -> tuple[int, int, int] | None:
    """(folder, uid, uidvalidity) in the folder if it is there, by the role, or in the INBOX."""
    if folder:
        there = folders.take_uids(
            tx,
            mailbox=item.mailbox,
            folder=folder,
            count=1,
            unread=unread,
            grow=item.size,
            modseq=modseq,
        )
        if there is not None:
            return folder, *there
    for role in (item.role, folders.INBOX):
        taken = folders.take_uid_of_role(
            tx, mailbox=item.mailbox, role=role, unread=unread, grow=item.size, modseq=modseq
        )
        if taken is not None:
            return taken
    return None


@command
def append(
    tx: Tx,
    *,
    grant: Grant,
    folder: int,
    content: Placed | None,
    new: list[NewItem],
    source: tuple[int, int] | None = None,
) -> Placement:
    """Place items in one folder of the grant's mailbox (APPEND with a new content, COPY without).

    `source` is the mailbox and folder that COPY takes them from. Raises StaleGrant, AccessDenied,
    FolderNotFound, QuotaExceeded, MailboxNotFound.
    """
    check_grant(tx, grant, Right.WRITE)
    if content is not None:
        contents.insert_content(tx, content)
    if any(item.mailbox != grant.mailbox for item in new):
        raise MailboxNotFound("The mailbox does not exist.")
    placed = place_items(tx, folder=folder, new=new)
    if source is not None:
        # Clients without MOVE copy, and remove what they have copied.
        lessons.note_move(
            tx,
            org=grant.organization,
            source=source,
            target=(grant.mailbox, folder),
            items=[(item.id, item.content) for item in new],
        )
    return placed


def place_items(tx: Tx, *, folder: int, new: list[NewItem]) -> Placement:
    """Give items (of one mailbox, at least one) the next uids of a folder."""
    mailbox = new[0].mailbox
    grow = sum(item.size for item in new)
    modseq = take_counter(tx, mailbox, grow=grow, count=len(new))
    taken = folders.take_uids(
        tx,
        mailbox=mailbox,
        folder=folder,
        count=len(new),
        unread=sum(1 for item in new if not item.flags & bits.SEEN),
        grow=grow,
        modseq=modseq,
    )
    if taken is None:
        raise FolderNotFound("The folder does not exist.")
    first_uid, uidvalidity = taken
    now = tx.env.now()
    for position, item in enumerate(new):
        _insert(tx, item, folder=folder, uid=first_uid + position, modseq=modseq, now=now)
    return Placement(mailbox, folder, uidvalidity, first_uid, modseq)


def relocate(
    tx: Tx, rows: list[ItemRow], *, mailbox: int, folder: int, target: int, modseq: int
) -> tuple[list[tuple[int, int]], int]:
    """Give items (at least one) of a folder the next uids of another.

    Returns (old uid, new uid) pairs and the uidvalidity of the other; what the first one counts is
    the caller's. Raises FolderNotFound.
    """
    taken = folders.take_uids(
        tx,
        mailbox=mailbox,
        folder=target,
        count=len(rows),
        unread=bits.count_unread(row.flags for row in rows),
        grow=sum(row.size for row in rows),
        modseq=modseq,
    )
    if taken is None:
        raise FolderNotFound("The folder does not exist.")
    first, uidvalidity = taken
    pairs = [(row.uid, first + position) for position, row in enumerate(rows)]
    items.replace_place(
        tx,
        mailbox=mailbox,
        folder=folder,
        target=target,
        saved=tx.env.now(),
        modseq=modseq,
        pairs=pairs,
    )
    return pairs, uidvalidity


def take_counter(tx: Tx, mailbox: int, *, grow: int, count: int) -> int:
    """Raise a mailbox's counter and sizes, telling a full mailbox from one that is not there."""
    modseq = mailboxes.take_modseq(tx, mailbox=mailbox, grow=grow, items=count)
    if modseq is None:
        row = mailboxes.get_mailbox(tx, mailbox=mailbox)
        if row is None or row.state != mailboxes.ACTIVE:
            raise MailboxNotFound("The mailbox is not available.")
        raise QuotaExceeded("The mailbox is full.")
    tx.announce("mailbox", str(mailbox), modseq)
    return modseq


def _insert(tx: Tx, new: NewItem, *, folder: int, uid: int, modseq: int, now: int) -> None:
    thread = new.thread
    if not thread:
        found = items.thread_of(tx, mailbox=new.mailbox, tags=new.reference_tags)
        thread = found if found is not None else new.object
    items.insert_message(
        tx,
        mailbox=new.mailbox,
        folder=folder,
        uid=uid,
        item=new.id,
        object=new.object,
        thread=thread,
        flags=new.flags,
        size=new.size,
        received=new.received,
        now=now,
        modseq=modseq,
        content=new.content,
        message_tag=new.message_tag,
    )
    items.insert_summary(
        tx,
        mailbox=new.mailbox,
        item=new.id,
        sealed=new.sealed_summary,
        wrapped_content_key=new.wrapped_key,
        gen=new.gen,
    )
    if new.keywords:
        items.insert_tags(
            tx,
            mailbox=new.mailbox,
            kind=items.KEYWORD_TAG,
            pairs=[(keyword, new.id) for keyword in new.keywords],
        )

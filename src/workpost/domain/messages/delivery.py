"""Placing items in folders: the one way in, for delivery, APPEND and COPY.

One transaction holds the content, every placement, the queue rows of the other recipients and the
event that proves it (invariant 3). Mailboxes are taken in ascending id.
"""

from __future__ import annotations

import msgspec

from workpost.domain.messages import flags as bits
from workpost.domain.messages.prepare import NewItem
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import FolderNotFound, MailboxNotFound, QuotaExceeded
from workpost.kernel.principal import Grant, Right
from workpost.store.content.types import Placed
from workpost.store.database.unit import Tx, command
from workpost.store.tables import contents, folders, items, mailboxes, queue
from workpost.store.tables.events import NewEvent, insert_event
from workpost.store.tables.queue import NewQueueEntry, NewQueueRecipient


class Placement(msgspec.Struct, frozen=True):
    """Where items came to lie: consecutive uids from `first_uid`, all with one modseq."""

    mailbox: int
    folder: int
    uidvalidity: int
    first_uid: int
    modseq: int


class Queued(msgspec.Struct, frozen=True):
    """A queue entry of one organization with its recipients."""

    entry: NewQueueEntry
    recipients: list[NewQueueRecipient]


@command
def deliver(
    tx: Tx,
    *,
    grant: Grant | None,
    content: Placed,
    deliveries: list[NewItem],
    queued: list[Queued],
    events: list[NewEvent],
) -> list[Placement]:
    """Accept one message: into each INBOX of `deliveries`, and into the queue for all others.

    `grant` is the submitter's, None for mail from outside. Raises StaleGrant; QuotaExceeded or
    MailboxNotFound when one mailbox cannot take it: nothing is written, the caller looks again.
    """
    if grant is not None:
        check_grant(tx, grant, Right.SEND)
    if deliveries or queued:
        contents.insert_content(tx, content)
    placed = [
        place_items(tx, folder=inbox(tx, new.mailbox), new=[new])
        for new in sorted(deliveries, key=lambda new: new.mailbox)
    ]
    for waiting in queued:
        queue.insert_entry(tx, waiting.entry, waiting.recipients, created=tx.env.now())
    if queued:
        tx.announce("queue", "")
    for event in events:
        insert_event(tx, event)
    return placed


@command
def deliver_queued(
    tx: Tx, *, queue_id: int, fence: int, deliveries: list[tuple[int, NewItem]]
) -> list[int]:
    """Move exactly these recipients of a leased entry from queued to delivered.

    `deliveries` pairs the recipient's number with its item. Recipients whose lease was lost are
    left out, since someone else has them; returns the numbers that were delivered.
    """
    covered = queue.still_leased(tx, queue=queue_id, fence=fence)
    done: list[int] = []
    for number, new in sorted(deliveries, key=lambda pair: pair[1].mailbox):
        if number in covered:
            place_items(tx, folder=inbox(tx, new.mailbox), new=[new])
            done.append(number)
    _finish(tx, queue_id, done)
    return done


def _finish(tx: Tx, queue_id: int, numbers: list[int]) -> None:
    content = queue.finish(tx, queue=queue_id, numbers=numbers)
    if content is not None:
        contents.release_content(tx, content)


@command
def append(
    tx: Tx, *, grant: Grant, folder: int, content: Placed | None, new: list[NewItem]
) -> Placement:
    """Place items in one folder of the grant's mailbox (APPEND with a new content, COPY without).

    Raises StaleGrant, AccessDenied, FolderNotFound, QuotaExceeded, MailboxNotFound.
    """
    check_grant(tx, grant, Right.WRITE)
    if content is not None:
        contents.insert_content(tx, content)
    if any(item.mailbox != grant.mailbox for item in new):
        raise MailboxNotFound("The mailbox does not exist.")
    return place_items(tx, folder=folder, new=new)


def inbox(tx: Tx, mailbox: int) -> int:
    """The id of a mailbox's INBOX. Raises MailboxNotFound."""
    folder = folders.id_of_role(tx, mailbox=mailbox, role="inbox")
    if folder is None:
        raise MailboxNotFound("The mailbox does not exist.")
    return folder


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


def _insert(tx: Tx, new: NewItem, *, folder: int, uid: int, modseq: int, now: int) -> None:
    thread = new.thread
    if not thread:
        found = items.thread_of(tx, mailbox=new.mailbox, tags=new.reference_tags)
        thread = found if found is not None else new.object
    items.insert_item(
        tx,
        items.ItemRow(
            mailbox=new.mailbox,
            folder=folder,
            uid=uid,
            id=new.id,
            object=new.object,
            thread=thread,
            kind=items.MESSAGE,
            flags=new.flags,
            size=new.size,
            received=new.received,
            saved=now,
            changed=now,
            created_modseq=modseq,
            content_modseq=modseq,
            modseq=modseq,
            content=new.content,
        ),
    )
    items.insert_summary(
        tx,
        mailbox=new.mailbox,
        item=new.id,
        sealed=new.sealed_summary,
        wrapped_content_key=new.wrapped_key,
        gen=new.gen,
    )
    if new.message_tag is not None:
        items.insert_tags(
            tx, mailbox=new.mailbox, kind=items.MESSAGE_ID_TAG, pairs=[(new.message_tag, new.id)]
        )
    if new.keywords:
        items.insert_tags(
            tx,
            mailbox=new.mailbox,
            kind=items.KEYWORD_TAG,
            pairs=[(keyword, new.id) for keyword in new.keywords],
        )

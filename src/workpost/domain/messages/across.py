"""COPY and MOVE between two mailboxes: keys are wrapped anew, contents stay where they are.

Both grants belong to one person: one's own mailbox and those that are shared. Sliced; a slice of
MOVE is one transaction over both mailboxes, taken in ascending id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from workpost.domain.messages import changes, lessons, placement, prepare, queries
from workpost.domain.messages import flags as bits
from workpost.domain.messages import shell as messages
from workpost.domain.messages.changes import SLICE
from workpost.domain.messages.prepare import MailboxKeys, NewItem
from workpost.domain.messages.shell import Copied, mailbox_keys
from workpost.domain.organizations.policy import check_grant
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import MailboxNotFound
from workpost.kernel.principal import Grant, Right
from workpost.store.content.squeezing import unsqueeze
from workpost.store.core import Core
from workpost.store.database.unit import Row, Tx, command
from workpost.store.tables import items, mailboxes
from workpost.store.tables.items import ItemRow


class Transferred(msgspec.Struct, frozen=True):
    """Outcome of one slice of MOVE: (old uid, new uid) pairs."""

    uidvalidity: int
    pairs: list[tuple[int, int]]


@command
def transfer(
    tx: Tx,
    *,
    grant: Grant,
    folder: int,
    uids: list[int],
    to: Grant,
    target: int,
    new: list[tuple[int, NewItem]],
) -> Transferred:
    """Place one slice in another mailbox and remove it from its own; `new` by the old item's id.

    What has left the folder meanwhile is left out; flags are those of now. Raises StaleGrant,
    AccessDenied, MailboxNotFound, FolderNotFound, QuotaExceeded.
    """
    for each in sorted((grant, to), key=lambda one: one.mailbox):
        check_grant(tx, each, Right.WRITE)
        locked = mailboxes.lock_mailbox(tx, mailbox=each.mailbox)
        if locked is None or locked.org != each.organization:
            raise MailboxNotFound("The mailbox is not available.")
    made = dict(new)
    rows = [
        row
        for row in items.items_by_uid(tx, mailbox=grant.mailbox, folder=folder, uids=uids)
        if row.id in made
    ]
    if not rows:
        return Transferred(0, [])
    placed = placement.place_items(
        tx, folder=target, new=[_with_flags(made[row.id], row.flags) for row in rows]
    )
    changes.remove_rows(tx, mailbox=grant.mailbox, folder=folder, rows=rows)
    lessons.note_move(
        tx,
        org=grant.organization,
        source=(grant.mailbox, folder),
        target=(to.mailbox, target),
        items=[(made[row.id].id, row.content) for row in rows],
    )
    pairs = [(row.uid, placed.first_uid + n) for n, row in enumerate(rows)]
    return Transferred(placed.uidvalidity, pairs)


def _with_flags(new: NewItem, flags: int) -> NewItem:
    now = (flags & bits.SYSTEM) | (bits.KEYWORDS if new.keywords else 0)
    return msgspec.structs.replace(new, flags=now)


async def copy(
    core: Core, grant: Grant, to: Grant, folder: int, uids: Sequence[int], target: int
) -> Copied:
    """Copy messages to a folder of `to`'s mailbox, keeping flags and dates. All or nothing."""
    if grant.mailbox == to.mailbox:
        return await messages.copy(core, grant, folder, uids, target)
    pairs: list[tuple[int, int]] = []
    uidvalidity = 0
    try:
        for start in range(0, len(uids), SLICE):
            new = await _prepare(core, grant, to, folder, uids[start : start + SLICE])
            if not new:
                continue
            placed = await core.store.write(
                placement.append,
                grant=to,
                folder=target,
                content=None,
                new=[item for _, item in new],
                source=(grant.mailbox, folder),
            )
            uidvalidity = placed.uidvalidity
            pairs += [(row.uid, placed.first_uid + n) for n, (row, _) in enumerate(new)]
    except Exception:
        copied = [uid for _, uid in pairs]
        for start in range(0, len(copied), SLICE):
            await core.store.write(
                changes.remove,
                grant=to,
                folder=target,
                uids=copied[start : start + SLICE],
                only_deleted=False,
            )
        raise
    return Copied(uidvalidity, pairs)


async def move(
    core: Core, grant: Grant, to: Grant, folder: int, uids: Sequence[int], target: int
) -> AsyncIterator[Copied]:
    """Move messages to a folder of `to`'s mailbox: yields the outcome of each slice."""
    if grant.mailbox == to.mailbox:
        async for moved in messages.move(core, grant, folder, uids, target):
            yield moved
        return
    for start in range(0, len(uids), SLICE):
        some = list(uids[start : start + SLICE])
        new = await _prepare(core, grant, to, folder, some)
        done = await core.store.write(
            transfer,
            grant=grant,
            folder=folder,
            uids=some,
            to=to,
            target=target,
            new=[(row.id, item) for row, item in new],
        )
        if done.pairs:
            yield Copied(done.uidvalidity, done.pairs)


async def _prepare(
    core: Core, grant: Grant, to: Grant, folder: int, uids: Sequence[int]
) -> list[tuple[ItemRow, NewItem]]:
    """One slice opened with the keys of its mailbox and sealed with those of the other."""
    keys = await mailbox_keys(core, to.organization, to.mailbox)
    rows = await core.store.read(
        queries.items_with_summaries, grant=grant, folder=folder, uids=list(uids)
    )
    return [
        (row, await _reseal(core, grant, keys, row, summary, words)) for row, summary, words in rows
    ]


async def _reseal(
    core: Core, grant: Grant, keys: MailboxKeys, row: ItemRow, summary: Row, words: list[bytes]
) -> NewItem:
    sealed, wrapped, gen = summary
    old = await core.keys.mailbox(grant.organization, grant.mailbox, gen)
    content_key, stored = prepare.open_row(
        old, grant.organization, grant.mailbox, (row.id, gen, wrapped, sealed)
    )
    return prepare.seal_item(
        core.env,
        keys,
        summary=Summary.unpack(unsqueeze(stored)),
        stored=stored,
        content=row.content,
        content_key=content_key,
        size=row.size,
        received=row.received,
        flags=row.flags,
        keywords=tuple(words),
    )

"""What owners and administrators call on recoverable items: list, restore, purge.

They are messages deleted from Deleted Items, kept for the organization's period (`keeping`). A
number names one within its mailbox for as long as it is kept. Everything is sliced.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.mailboxes.provision import prepare_folder
from workpost.domain.messages import flags as bits
from workpost.domain.messages import recoverable
from workpost.domain.messages.changes import SLICE
from workpost.domain.messages.recoverable import Restored
from workpost.formats.mime.summary import Summary
from workpost.kernel.principal import Grant
from workpost.store.content.squeezing import unsqueeze
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.recoverable import NOWHERE, ROLE

NAME = "Recoverable Items"
END = 1 << 62
PAGE = 50
LEFT_PAGE = 5_000
"""Tombstones looked at by one query for where items were."""


class Kept(msgspec.Struct, frozen=True):
    """One recoverable item; times in milliseconds, `from_` its first author's address."""

    number: int
    subject: str
    from_: str
    size: int
    received: int
    deleted: int
    seen: bool


async def make_folder(core: Core, grant: Grant) -> None:
    """Make the mailbox's hidden folder for recoverable items, unless it has one."""
    key = await core.keys.mailbox(grant.organization, grant.mailbox)
    tag_key = await core.keys.tag_key(grant.organization, grant.mailbox)
    new = prepare_folder(
        core.env,
        key,
        tag_key,
        organization=grant.organization,
        mailbox=grant.mailbox,
        parent=NOWHERE,
        name=NAME,
        role=ROLE,
    )
    await core.store.write(recoverable.make_folder, grant=grant, new=new)


async def list_items(
    core: Core, grant: Grant, *, below: int = END, limit: int = PAGE
) -> list[Kept]:
    """Recoverable items with numbers below one, the one deleted last first.

    Raises AccessDenied, StaleGrant, MailboxNotFound, KeyDestroyed.
    """
    rows = await core.store.read(recoverable.list_page, grant=grant, below=below, limit=limit)
    org, mailbox = grant.organization, grant.mailbox
    keys = {gen: (await core.keys.mailbox(org, mailbox, gen)).key for gen in {r[7] for r in rows}}
    sealed = [(row[1], row[7], row[8], row[6]) for row in rows]
    opened = sealing.open_summaries(keys, org, mailbox, sealed)
    return [
        _show(row[0], row[2], row[3], row[4], row[5], Summary.unpack(unsqueeze(stored)))
        for row, stored in zip(rows, opened, strict=True)
    ]


def _show(
    number: int, size: int, received: int, deleted: int, flags: int, summary: Summary
) -> Kept:
    author = summary.from_[0][1] if summary.from_ else ""
    seen = bool(flags & bits.SEEN)
    return Kept(number, summary.subject, author, size, received, deleted, seen)


async def restore(
    core: Core, grant: Grant, numbers: Sequence[int], *, folder: int | None = None
) -> list[Restored]:
    """Put recoverable items back; returns where each came to lie, without those that are gone.

    Without `folder` each goes where it was before it came to Deleted Items, as tombstones tell for
    90 days, of folders that still are; to the INBOX where none of them tells. Raises FolderNotFound
    and QuotaExceeded (what was restored before stays so), AccessDenied, StaleGrant,
    MailboxNotFound.
    """
    restored: list[Restored] = []
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), SLICE):
        some = wanted[start : start + SLICE]
        if folder is None:
            targets = await _origins(core, grant, some)
        else:
            targets = [(number, folder) for number in some]
        restored += await core.store.write(
            recoverable.restore, grant=grant, targets=targets, exact=folder is not None
        )
    return restored


async def _origins(core: Core, grant: Grant, numbers: list[int]) -> list[tuple[int, int]]:
    """(number, folder): the last place of each that was no thrown away one, 0 where none is known.

    An item's id stays the same over MOVE, so the tombstones of its mailbox are its way.
    """
    kept = await core.store.read(recoverable.items_of, grant=grant, numbers=numbers)
    homes = set(await core.store.read(recoverable.homes, grant=grant))
    sought = {item for _, item in kept}
    found: dict[int, int] = {}
    before = (END, END, END)
    while sought:
        page = await core.store.read(
            recoverable.left_page, grant=grant, before=before, limit=LEFT_PAGE
        )
        for _, folder, _, item in page:
            if item in sought and folder in homes:
                found[item] = folder
                sought.remove(item)
        if len(page) < LEFT_PAGE:
            break
        before = page[-1][:3]
    return [(number, found.get(item, 0)) for number, item in kept]


async def purge(core: Core, grant: Grant, numbers: Sequence[int]) -> list[int]:
    """Destroy recoverable items before their time; returns the numbers that were there.

    Raises AccessDenied, StaleGrant, MailboxNotFound.
    """
    purged: list[int] = []
    wanted = sorted(set(numbers))
    for start in range(0, len(wanted), SLICE):
        purged += await core.store.write(
            recoverable.purge, grant=grant, numbers=wanted[start : start + SLICE]
        )
    return purged


async def all_numbers(core: Core, grant: Grant) -> list[int]:
    """The numbers of all that a mailbox keeps, ascending. Errors as above."""
    numbers: list[int] = []
    after = 0
    while page := await core.store.read(
        recoverable.list_numbers, grant=grant, after=after, limit=LEFT_PAGE
    ):
        numbers += page
        after = page[-1]
    return numbers

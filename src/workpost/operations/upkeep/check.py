"""`workpost check`: recount everything that is counted, and look for what dangles.

Runs beside a server, in slices, in constant memory. A recount that spans several slices counts only
if the mailbox's modseq was the same before and after; it is repeated when not.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import msgspec

from workpost.kernel.errors import Fault, KeyDestroyed
from workpost.operations.upkeep import strays
from workpost.operations.upkeep.findings import Report
from workpost.store.content.chunks import sealed_size
from workpost.store.content.types import INLINE
from workpost.store.core import Core
from workpost.store.database.unit import Row
from workpost.store.keys import sealing
from workpost.store.tables import recount, recoverable
from workpost.store.tables.mailboxes import PURGING
from workpost.store.tables.recount import FolderSums, MailboxSums

PAGE = 500
COUNT_PAGE = 5_000
ATTEMPTS = 5
SAMPLE = 0.01
"""Share of messages that are opened unless all are asked for; at least one of each mailbox."""


async def check(
    core: Core, *, repair: bool = False, full: bool = False, seed: int | None = None
) -> Report:
    """Check everything; with `repair` mend what can be mended, with `full` open every message.

    Mailboxes that are being removed are left out. Raises TryLater when the database, the key store
    or a bucket is out of reach.
    """
    report = Report()
    chance = random.Random(seed)  # noqa: S311 - picks samples
    share = 1.0 if full else SAMPLE
    async for mailbox, organization, alive in each_mailbox(core):
        report.mailboxes += 1
        if await core.store.read(recount.is_going, mailbox=mailbox):
            continue
        part = Report()
        await _check_sums(core, mailbox, part, repair=repair)
        has_keys = await _check_keys(core, organization, mailbox, alive, part)
        sample = chance if has_keys else None
        await _check_items(core, organization, mailbox, part, sample, share)
        await strays.check_mailbox(core, mailbox, part, repair=repair)
        # Its removal may have begun meanwhile: what goes in slices adds up to nothing.
        if part.clean or not await core.store.read(recount.is_going, mailbox=mailbox):
            report.merge(part)
    await strays.check_rest(core, report, repair=repair)
    return report


async def each_mailbox(core: Core) -> AsyncIterator[tuple[int, str, bool]]:
    """(mailbox, organization, whether it must have its keys) of every mailbox."""
    after = 0
    while page := await core.store.read(recount.page_mailboxes, after=after, limit=PAGE):
        for mailbox, organization, own, state in page:
            yield mailbox, organization, state == "Active" and own != PURGING
        after = page[-1][0]


# --- sums ----------------------------------------------------------------------------------------


class _Counted(msgspec.Struct, frozen=True):
    seen: int
    stated: MailboxSums
    folders: list[FolderSums]
    counted: dict[int, FolderSums]
    gone: int
    recoverable: int
    """The folder that the mailbox's own sums leave out."""


async def _recount(core: Core, mailbox: int) -> _Counted | None:
    """Count a mailbox's items; None when it went away or kept changing."""
    for _ in range(ATTEMPTS):
        stated = await core.store.read(recount.stated_sums, mailbox=mailbox)
        if stated is None:
            return None
        counted: dict[int, FolderSums] = {}
        after = (-1, 0)
        while True:
            page = await core.store.read(
                recount.count_items, mailbox=mailbox, after=after, limit=COUNT_PAGE
            )
            for sums in page:
                counted[sums.folder] = _plus(counted.get(sums.folder), sums)
            if sum(sums.total for sums in page) < COUNT_PAGE:
                break
            after = (page[-1].folder, page[-1].uidnext - 1)
        gone = await core.store.read(recount.highest_gone, mailbox=mailbox)
        kept = await core.store.read(recoverable.get_folder, mailbox=mailbox)
        again = await core.store.read(recount.stated_sums, mailbox=mailbox)
        if again == stated:
            row, folders = stated
            place = kept.id if kept is not None else 0
            return _Counted(row.modseq, row, folders, counted, gone, place)
    return None


def _plus(one: FolderSums | None, two: FolderSums) -> FolderSums:
    if one is None:
        return two
    return FolderSums(
        two.folder,
        max(one.uidnext, two.uidnext),
        one.total + two.total,
        one.unread + two.unread,
        one.bytes + two.bytes,
        max(one.modseq, two.modseq),
    )


async def repair_sums(core: Core, mailbox: int, report: Report) -> None:
    """Recount a mailbox and set right what is not."""
    await _check_sums(core, mailbox, report, repair=True)


async def _check_sums(core: Core, mailbox: int, report: Report, *, repair: bool) -> None:
    found = await _recount(core, mailbox)
    if found is None:
        report.unsettled.append(mailbox)
        return
    wrong: list[tuple[str, str]] = []
    right: list[FolderSums] = []
    for stated in found.folders:
        counted = found.counted.pop(stated.folder, FolderSums(stated.folder, 1, 0, 0, 0, 0))
        truth = FolderSums(
            stated.folder,
            max(stated.uidnext, counted.uidnext),
            counted.total,
            counted.unread,
            counted.bytes,
            max(stated.modseq, counted.modseq),
        )
        right.append(truth)
        wrong += [
            (f"mailbox {mailbox}, folder {stated.folder}", f"{name} is {was}, counted {now}")
            for name, was, now in _differences(stated, truth)
            if name != "modseq"
        ]
    for folder, sums in found.counted.items():
        detail = f"{sums.total} items lie in a folder that is not there"
        report.add("stray", f"mailbox {mailbox}, folder {folder}", detail)
    every = [*right, *found.counted.values()]
    own = [sums for sums in every if sums.folder != found.recoverable]
    whole = MailboxSums(
        mailbox,
        sum(sums.bytes for sums in own),
        sum(sums.total for sums in own),
        max([found.stated.modseq, found.gone, *(sums.modseq for sums in every)]),
    )
    wrong += [
        (f"mailbox {mailbox}", f"{name} is {was}, counted {now}")
        for name, was, now in _differences(found.stated, whole)
    ]
    mended = False
    if wrong and repair:
        mended = await core.store.write_background(
            recount.set_sums, seen=found.seen, mailbox=whole, folders=right
        )
    for place, detail in wrong:
        report.add("sums", place, detail, repaired=mended)


def _differences(
    one: FolderSums | MailboxSums, two: FolderSums | MailboxSums
) -> list[tuple[str, int, int]]:
    return [
        (name, getattr(one, name), getattr(two, name))
        for name in one.__struct_fields__
        if getattr(one, name) != getattr(two, name)
    ]


# --- keys, summaries, contents -------------------------------------------------------------------


async def _check_keys(
    core: Core, organization: str, mailbox: int, alive: bool, report: Report
) -> bool:
    """Whether the mailbox's keys can be had; those of a deleted one are not missed."""
    try:
        await core.keys.mailbox(organization, mailbox)
        await core.keys.tag_key(organization, mailbox)
    except (KeyDestroyed, Fault) as error:
        if alive:
            report.add("key", f"mailbox {mailbox}", error.message)
        return False
    return True


async def _check_items(
    core: Core,
    organization: str,
    mailbox: int,
    report: Report,
    sample: random.Random | None,
    share: float,
) -> None:
    after = (-1, 0)
    first = True
    while page := await core.store.read(
        recount.page_holdings, mailbox=mailbox, after=after, limit=PAGE
    ):
        for row in page:
            report.items += 1
            whole = await _check_holding(core, mailbox, row, report)
            if whole and sample is not None and (first or sample.random() < share):
                first = False
                await _open(core, organization, mailbox, row, report)
        after = (page[-1][0], page[-1][1])


async def _check_holding(core: Core, mailbox: int, row: Row, report: Report) -> bool:
    _, uid, item, size, gen, content_id, content_size, place, length = row
    where = f"mailbox {mailbox}, item {item}"
    if gen is None:
        report.add("summary", where, f"uid {uid} has no summary: its content cannot be opened")
    name = f"content {bytes(content_id).hex()}"
    if content_size is None:
        report.add("content", where, f"{name} is not there")
        return False
    if content_size != size:
        report.add("content", where, f"the item says {size} bytes, its content {content_size}")
    if place != INLINE:
        length = await core.contents.sealed_length(bytes(content_id), place)
    if length is None:
        report.add("content", where, f"{name} has no bytes")
        return False
    if length != sealed_size(content_size):
        report.add("content", where, f"{name} has {length} bytes, not {sealed_size(content_size)}")
        return False
    return gen is not None


async def _open(core: Core, organization: str, mailbox: int, row: Row, report: Report) -> None:
    item, content_id = row[2], bytes(row[5])
    found = await core.store.read(recount.read_summary, mailbox=mailbox, item=item)
    if found is None:
        return
    gen, wrapped, sealed = found
    try:
        keys = {gen: (await core.keys.mailbox(organization, mailbox, gen)).key}
        sealing.open_summaries(keys, organization, mailbox, [(item, gen, wrapped, sealed)])
        key = sealing.unwrap_content_keys(keys, organization, mailbox, [(item, gen, wrapped)])[0]
        await core.contents.get(content_id, key)
        report.opened += 1
    except (Fault, KeyDestroyed) as error:
        again = await core.store.read(recount.read_summary, mailbox=mailbox, item=item)
        if again is not None:
            report.add("unsealing", f"mailbox {mailbox}, item {item}", error.message)

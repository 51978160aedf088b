"""`workpost rebuild`: derived data made again from the contents.

Summaries (ENVELOPE, BODYSTRUCTURE, offsets) and the keyed tags of Message-IDs are made from the
message; sums by a recount. What was changed by people (flags, folders, keywords, threads) is no
derived data and stays. Runs beside a server, a message at a time, in the background lane.
"""

from __future__ import annotations

import asyncio

import msgspec

from workpost.domain.messages.prepare import message_tag
from workpost.formats.mime.summary import summarize
from workpost.kernel.errors import Fault, KeyDestroyed
from workpost.operations.upkeep.check import PAGE, each_mailbox, repair_sums
from workpost.operations.upkeep.findings import Report
from workpost.store.content.squeezing import StoredSummaryError, squeeze, unsqueeze
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables import recount


class Rebuilt(msgspec.Struct):
    """What a rebuild looked at and changed."""

    items: int = 0
    summaries: int = 0
    tags: int = 0
    sums: int = 0
    unreadable: int = 0


async def rebuild(core: Core, *, only: int | None = None) -> Rebuilt:
    """Rebuild the derived data of all mailboxes, or of one. Raises TryLater."""
    done = Rebuilt()
    async for mailbox, organization, _ in each_mailbox(core):
        if only is not None and mailbox != only:
            continue
        try:
            await _mailbox(core, organization, mailbox, done)
        except KeyDestroyed:
            done.unreadable += 1
        report = Report()
        await repair_sums(core, mailbox, report)
        done.sums += report.repaired
    return done


async def _mailbox(core: Core, organization: str, mailbox: int, done: Rebuilt) -> None:
    tag_key = await core.keys.tag_key(organization, mailbox)
    after = (-1, 0)
    while page := await core.store.read(
        recount.page_holdings, mailbox=mailbox, after=after, limit=PAGE
    ):
        after = (page[-1][0], page[-1][1])
        for row in page:
            done.items += 1
            try:
                await _item(core, organization, mailbox, row[2], bytes(row[5]), tag_key, done)
            except Fault:
                done.unreadable += 1


async def _item(
    core: Core,
    organization: str,
    mailbox: int,
    item: int,
    content_id: bytes,
    tag_key: bytes,
    done: Rebuilt,
) -> None:
    found = await core.store.read(recount.read_summary, mailbox=mailbox, item=item)
    if found is None:
        raise Fault(f"item {mailbox}/{item} has no content key")
    gen, wrapped, sealed = found
    keys = {gen: (await core.keys.mailbox(organization, mailbox, gen)).key}
    key = sealing.unwrap_content_keys(keys, organization, mailbox, [(item, gen, wrapped)])[0]
    summary = await asyncio.to_thread(summarize, await core.contents.get(content_id, key))
    packed = summary.pack()
    place = sealing.place("summary", "sealed", organization, mailbox, item)
    if not _opens_to(key, sealed, place, packed):
        done.summaries += await core.store.write_background(
            recount.replace_summary,
            mailbox=mailbox,
            item=item,
            old=sealed,
            sealed=sealing.seal(key, squeeze(packed), place),
        )
    tag = message_tag(tag_key, summary.message_id) if summary.message_id else None
    done.tags += await core.store.write_background(
        recount.replace_message_tag, mailbox=mailbox, item=item, tag=tag
    )


def _opens_to(key: bytes, sealed: bytes, place: bytes, packed: bytes) -> bool:
    try:
        return unsqueeze(sealing.unseal(key, sealed, place)) == packed
    except (Fault, StoredSummaryError):
        return False

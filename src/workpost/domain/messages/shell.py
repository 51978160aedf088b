"""What protocols call to work with messages: every call is sliced, sealed and opened here.

Reads page by key and open summaries in short runs that yield to the loop; writes go through
`store.write`, a slice each, so that one large STORE never keeps others waiting.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence

import msgspec

from workpost.domain.messages import changes, placement, prepare, queries
from workpost.domain.messages import flags as bits
from workpost.domain.messages.changes import SLICE, FlagRow
from workpost.domain.messages.prepare import MailboxKeys
from workpost.domain.messages.removing import withdraw
from workpost.formats.mime.summary import Summary, summarize
from workpost.formats.mime.weighing import text_type
from workpost.kernel.principal import Grant
from workpost.store.content.squeezing import squeeze, unsqueeze
from workpost.store.content.types import content_key as new_content_key
from workpost.store.core import Core
from workpost.store.database.unit import Row
from workpost.store.keys import sealing
from workpost.store.tables.items import ItemRow

PAGE = 500
OPEN_RUN = 20
"""Summaries opened in one run before the loop gets its turn (about 0.2 ms)."""
SUMMARIZE_INLINE = 8 * 1024
"""Bytes up to which a message is summarized on the loop: a tenth of a millisecond for mail as it
is, five for a header made to be slow."""
TEXT_INLINE = 128 * 1024
"""The same of messages that are one text: 0.1 ms, 0.25 for HTML; a thread costs that, too."""


class Appended(msgspec.Struct, frozen=True):
    """Where a new message lies."""

    uidvalidity: int
    uid: int
    modseq: int


class Copied(msgspec.Struct, frozen=True):
    """Outcome of COPY or MOVE: (source uid, target uid) pairs, ascending."""

    uidvalidity: int
    pairs: list[tuple[int, int]]


class Changes(msgspec.Struct, frozen=True):
    """Everything that happened to a folder after a modseq; `modseq` is the next one to ask with."""

    modseq: int
    complete: bool
    rows: list[FlagRow]
    gone: list[int]


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """One message with its opened summary (`formats.mime.summary` slices what is asked for)."""

    uid: int
    flags: int
    modseq: int
    id: int
    size: int
    received: int
    content: bytes
    gen: int
    wrapped_key: bytes
    packed: bytes
    keywords: tuple[bytes, ...]


async def mailbox_keys(core: Core, organization: str, mailbox: int) -> MailboxKeys:
    """The current clear keys of a mailbox. Raises TryLater, KeyDestroyed."""
    return MailboxKeys(
        organization,
        mailbox,
        await core.keys.mailbox(organization, mailbox),
        await core.keys.tag_key(organization, mailbox),
    )


async def uid_map(core: Core, grant: Grant, folder: int) -> array[int]:
    """All uids of a folder, ascending."""
    uids = array("I")
    after = 0
    while True:
        page = await core.store.read(
            queries.uids_after, grant=grant, folder=folder, after=after, limit=10_000
        )
        uids.extend(page)
        if len(page) < 10_000:
            return uids
        after = page[-1]


async def uid_bounds(core: Core, grant: Grant, folder: int) -> tuple[int, int]:
    """Lowest and highest uid; (0, 0) for an empty folder."""
    return await core.store.read(queries.uid_bounds, grant=grant, folder=folder)


async def first_unseen(core: Core, grant: Grant, folder: int) -> int | None:
    """Uid of the first message without \\Seen."""
    return await core.store.read(queries.first_unseen, grant=grant, folder=folder)


async def flags_page(
    core: Core, grant: Grant, folder: int, *, low: int, high: int, limit: int = PAGE
) -> list[FlagRow]:
    """Flags of a uid range, at most `limit` rows."""
    return await core.store.read(
        queries.flags_page, grant=grant, folder=folder, low=low, high=high, limit=limit
    )


async def metadata_page(
    core: Core, grant: Grant, folder: int, *, low: int, high: int, limit: int = 250
) -> list[Meta]:
    """Messages of a uid range with their summaries opened, at most `limit`."""
    rows, keywords = await core.store.read(
        queries.summaries_page, grant=grant, folder=folder, low=low, high=high, limit=limit
    )
    opened: list[Meta] = []
    for start in range(0, len(rows), OPEN_RUN):
        if start:
            await asyncio.sleep(0)
        opened += await _open_run(core, grant, rows[start : start + OPEN_RUN], keywords)
    return opened


async def _open_run(
    core: Core, grant: Grant, rows: list[Row], keywords: dict[int, list[bytes]]
) -> list[Meta]:
    keys = {
        gen: (await core.keys.mailbox(grant.organization, grant.mailbox, gen)).key
        for gen in {row[9] for row in rows}
    }
    sealed = [(row[3], row[9], row[8], row[7]) for row in rows]
    opened = sealing.open_summaries(keys, grant.organization, grant.mailbox, sealed)
    packed = [unsqueeze(stored) for stored in opened]
    return [
        Meta(
            uid,
            flags,
            modseq,
            item,
            size,
            received,
            content,
            gen,
            wrapped,
            text,
            tuple(keywords.get(item, ())),
        )
        for (uid, flags, modseq, item, size, received, content, _, wrapped, gen), text in zip(
            rows, packed, strict=True
        )
    ]


async def find_message(core: Core, grant: Grant, folder: int, uid: int) -> Meta | None:
    """One message, or None when it is not in the folder any more."""
    page = await metadata_page(core, grant, folder, low=uid, high=uid, limit=1)
    return page[0] if page else None


async def read_content(
    core: Core, grant: Grant, meta: Meta, start: int = 0, end: int | None = None
) -> bytes:
    """Bytes `start` to `end` of a message."""
    key = await core.keys.mailbox(grant.organization, grant.mailbox, meta.gen)
    content_key = sealing.unwrap_content_keys(
        {meta.gen: key.key},
        grant.organization,
        grant.mailbox,
        [(meta.id, meta.gen, meta.wrapped_key)],
    )[0]
    return await core.contents.get(meta.content, content_key, start=start, end=end)


async def summary_of(raw: bytes) -> Summary:
    """The summary of a message, made in a thread unless it is small: headers may be hostile."""
    if len(raw) <= SUMMARIZE_INLINE or (len(raw) <= TEXT_INLINE and text_type(raw)):
        return summarize(raw)
    return await asyncio.to_thread(summarize, raw)


async def append(
    core: Core,
    grant: Grant,
    folder: int,
    raw: bytes,
    *,
    flags: int = 0,
    keywords: Sequence[bytes] = (),
    received: int | None = None,
) -> Appended:
    """Put a message into a folder (APPEND). Raises QuotaExceeded, FolderNotFound, StaleGrant."""
    keys = await mailbox_keys(core, grant.organization, grant.mailbox)
    summary = await summary_of(raw)
    content_id = core.env.new_content_id()
    content_key = new_content_key(core.env)
    placed = await core.contents.put(raw, content_key, content_id)
    item = prepare.seal_item(
        core.env,
        keys,
        summary=summary,
        stored=squeeze(summary.pack()),
        content=content_id,
        content_key=content_key,
        size=len(raw),
        received=core.env.now() if received is None else received,
        flags=flags,
        keywords=tuple(keywords),
    )
    done = await core.store.write(
        placement.append, grant=grant, folder=folder, content=placed, new=[item]
    )
    return Appended(done.uidvalidity, done.first_uid, done.modseq)


async def change_flags(
    core: Core,
    grant: Grant,
    folder: int,
    uids: Sequence[int],
    *,
    action: bits.Action,
    flags: int,
    keywords: Sequence[bytes] = (),
    unchanged_since: int | None = None,
) -> AsyncIterator[changes.Changed]:
    """STORE: yields the outcome of each slice, in order of uids."""
    for start in range(0, len(uids), SLICE):
        yield await core.store.write(
            changes.change_flags,
            grant=grant,
            folder=folder,
            uids=list(uids[start : start + SLICE]),
            action=action,
            flags=flags,
            keywords=list(keywords),
            unchanged_since=unchanged_since,
        )


async def copy(core: Core, grant: Grant, folder: int, uids: Sequence[int], target: int) -> Copied:
    """Copy messages to another folder of the mailbox (RFC 3501 6.4.7), keeping flags and dates.

    All or nothing: when a slice fails, what was copied before it is removed again.
    """
    keys = await mailbox_keys(core, grant.organization, grant.mailbox)
    pairs: list[tuple[int, int]] = []
    uidvalidity = 0
    try:
        for start in range(0, len(uids), SLICE):
            rows = await core.store.read(
                queries.items_with_summaries,
                grant=grant,
                folder=folder,
                uids=list(uids[start : start + SLICE]),
            )
            new = [await _copy_item(core, keys, row, summary, kw) for row, summary, kw in rows]
            if not new:
                continue
            placed = await core.store.write(
                placement.append,
                grant=grant,
                folder=target,
                content=None,
                new=new,
                source=(grant.mailbox, folder),
            )
            uidvalidity = placed.uidvalidity
            pairs += [(row.uid, placed.first_uid + n) for n, (row, _, _) in enumerate(rows)]
    except Exception:
        if pairs:
            await withdraw(core, grant, target, [new for _, new in pairs])
        raise
    return Copied(uidvalidity, pairs)


async def _copy_item(
    core: Core, keys: MailboxKeys, row: ItemRow, summary: Row, keywords: list[bytes]
) -> prepare.NewItem:
    sealed, wrapped, gen = summary
    old = await core.keys.mailbox(keys.organization, keys.mailbox, gen)
    content_key, stored = prepare.open_row(
        old, keys.organization, keys.mailbox, (row.id, gen, wrapped, sealed)
    )
    item = core.env.new_id()
    new_sealed, new_wrapped = prepare.seal_row(keys, item, stored, content_key)
    return prepare.NewItem(
        mailbox=keys.mailbox,
        id=item,
        object=row.object,
        thread=row.thread,
        flags=row.flags,
        keywords=keywords,
        size=row.size,
        received=row.received,
        content=row.content,
        sealed_summary=new_sealed,
        wrapped_key=new_wrapped,
        gen=keys.key.gen,
        message_tag=row.message_tag,
    )


async def move(
    core: Core, grant: Grant, folder: int, uids: Sequence[int], target: int
) -> AsyncIterator[Copied]:
    """Move messages to another folder (RFC 6851): yields the outcome of each slice."""
    for start in range(0, len(uids), SLICE):
        moved = await core.store.write(
            changes.move,
            grant=grant,
            folder=folder,
            uids=list(uids[start : start + SLICE]),
            target=target,
        )
        if moved.pairs:
            yield Copied(moved.uidvalidity, moved.pairs)


async def changes_since(core: Core, grant: Grant, folder: int, modseq: int) -> Changes:
    """What changed in a folder after `modseq`: flags of new and changed messages, uids gone."""
    rows: dict[int, FlagRow] = {}
    gone: dict[int, None] = {}
    since = gone_since = (modseq, 2**32)
    newest: int | None = None
    complete = True
    while True:
        page = await core.store.read(
            queries.changes_page,
            grant=grant,
            folder=folder,
            since=since,
            gone_since=gone_since,
            limit=PAGE,
        )
        if newest is None:
            newest = page.modseq
        # Tombstones may be dropped between two pages.
        complete = complete and page.complete
        for row in page.rows:
            rows[row.uid] = row
        gone.update(dict.fromkeys(uid for _, uid in page.gone))
        if len(page.rows) < PAGE and len(page.gone) < PAGE:
            break
        if page.rows:
            since = (page.rows[-1].modseq, page.rows[-1].uid)
        if page.gone:
            gone_since = page.gone[-1]
    left = [rows[uid] for uid in sorted(rows) if uid not in gone]
    return Changes(newest, complete, left, sorted(gone))

"""Reading a mailbox to its end: every message of a folder, page by page, in pieces.

Pages go by UID, which a message keeps for as long as it stays in its folder: what others do in the
meantime neither hides such a message nor shows it twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import Fault
from workpost.kernel.principal import Grant, Right
from workpost.store.core import Core
from workpost.store.database.unit import Reader
from workpost.store.keys import sealing
from workpost.store.tables import items

PAGE = 100
PIECE = 1024 * 1024
"""Bytes of a message that are in memory at once."""


class Stored(msgspec.Struct, frozen=True):
    """An item as it is stored; `key` is its content's, empty for what is no message."""

    uid: int
    is_message: bool
    size: int
    received: int
    content: bytes
    key: bytes


def contents_page(
    tx: Reader, *, grant: Grant, folder: int, after: int, limit: int
) -> list[tuple[int, int, int, int, int, bytes, bytes | None, int | None]]:
    """Rows as `items.page_contents` has them."""
    check_grant(tx, grant, Right.READ)
    rows = items.page_contents(tx, mailbox=grant.mailbox, folder=folder, after=after, limit=limit)
    return [(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]) for row in rows]


async def read_page(core: Core, grant: Grant, folder: int, after: int) -> list[Stored]:
    """Up to 100 items of a folder above a UID, ascending. Raises KeyDestroyed, TryLater, Fault."""
    rows = await core.store.read(contents_page, grant=grant, folder=folder, after=after, limit=PAGE)
    org, mailbox = grant.organization, grant.mailbox
    wraps = {
        row[0]: (row[1], row[7], row[6])
        for row in rows
        if row[2] == items.MESSAGE and row[6] is not None and row[7] is not None
    }
    keys = {
        gen: (await core.keys.mailbox(org, mailbox, gen)).key
        for gen in {wrap[1] for wrap in wraps.values()}
    }
    opened = sealing.unwrap_content_keys(keys, org, mailbox, wraps.values())
    content_keys = dict(zip(wraps, opened, strict=True))
    lost = [row[1] for row in rows if row[2] == items.MESSAGE and row[0] not in content_keys]
    if lost:
        raise Fault(f"item {lost[0]} has no key")
    return [
        Stored(uid, kind == items.MESSAGE, size, received, content, content_keys.get(uid, b""))
        for uid, _, kind, size, received, content, _, _ in rows
    ]


async def read_whole(core: Core, messages: Sequence[Stored]) -> list[bytes]:
    """The bytes of several small messages, in order."""
    return await core.contents.get_many([(each.content, each.key) for each in messages])


async def read_pieces(core: Core, message: Stored) -> AsyncIterator[bytes]:
    """The bytes of a message, a megabyte at a time."""
    for start in range(0, message.size, PIECE):
        yield await core.contents.get(message.content, message.key, start=start, end=start + PIECE)

"""Finding a message in transit for whoever may see it, and its content piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from workpost.domain.messages import transit
from workpost.kernel.errors import Fault, KeyDestroyed, ResourceNotFound
from workpost.store.core import Core
from workpost.store.tables.contents import get_content
from workpost.store.tables.in_transit import TransitRow

PIECE = 1 << 20
"""Bytes of a content that are in memory at once."""


class Opened(msgspec.Struct, frozen=True):
    """A content that is being read: all of its bytes, and the pieces that they come in."""

    size: int
    pieces: AsyncGenerator[bytes, None]


def not_found(id: str) -> ResourceNotFound:
    """The error for an id that no message in transit has, or none that the caller may see."""
    return ResourceNotFound(f"The message {id} is not found.")


async def find(core: Core, *, account: str, id: str, function: str = "") -> TransitRow:
    """A message of the account's; `function` is the one that asks by its own session.

    Raises ResourceNotFound, for functions also for messages on which another one runs, or none.
    """
    row = await core.store.read(transit.find_in_account, account=account, id=id)
    if row is None or (function and not transit.runs(row, function)):
        raise not_found(id)
    return row


async def open_message(core: Core, *, account: str, id: str, function: str = "") -> Opened:
    """The content of a message, without our own Return-Path, from the first piece on.

    Raises ResourceNotFound, TryLater, Fault; the pieces after the first raise the latter two.
    """
    row = await find(core, account=account, id=id, function=function)
    try:
        key = await transit.open_content_key(core, row)
    except KeyDestroyed:
        raise not_found(id) from None
    known = await core.store.read(get_content, content_id=row.content)
    if known is None:
        raise Fault(f"content {row.content.hex()} of a message in transit is not there")
    size = int(known[0])
    first = await core.contents.get(row.content, key, start=row.skip, end=row.skip + PIECE)
    return Opened(size - row.skip, _pieces(core, row, key, first, size))


async def _pieces(
    core: Core, row: TransitRow, key: bytes, first: bytes, size: int
) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    for start in range(row.skip + len(first), size, PIECE):
        yield await core.contents.get(row.content, key, start=start, end=start + PIECE)

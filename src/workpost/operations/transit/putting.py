"""Putting an object of a bucket in the place of a message in transit (PutRawMessageContent)."""

from __future__ import annotations

import msgspec

from workpost.domain.messages import transit
from workpost.formats.mime import replacing
from workpost.formats.mime.replacing import ReplacementRefused
from workpost.integrations.s3.depot import Depot, Refused, TooLarge
from workpost.integrations.s3.mapping import Depots
from workpost.kernel.errors import (
    ContentRejected,
    ContentUnreachable,
    KeyDestroyed,
)
from workpost.kernel.logging import logger
from workpost.kernel.rooms import Room, Rooms
from workpost.operations.transit.reading import find, not_found
from workpost.store.content.types import content_key
from workpost.store.core import Core
from workpost.store.tables.in_transit import OUTGOING, TransitRow

AT_ONCE = 4
"""Contents that a process brings at the same time: each is in memory up to three times."""
EACH_AT_ONCE = 2
"""Those for one account: a bucket that does not answer leaves room for others."""
PATIENCE_SECONDS = 10.0
"""How long a call waits for its turn."""
UNREACHABLE = "The object cannot be accessed in the bucket {}."

ROOMS = Rooms(
    "message-flow", AT_ONCE, EACH_AT_ONCE, "Too many messages are being replaced at this moment."
)

log = logger("message flow")


class ObjectPlace(msgspec.Struct, frozen=True):
    """Where the new content lies; `version` empty: the newest."""

    bucket: str
    key: str
    version: str = ""


async def put_message(
    core: Core,
    depots: Depots,
    *,
    account: str,
    id: str,
    place: ObjectPlace,
    function: str = "",
) -> None:
    """Replace a message's content by an object of one of the account's mapped buckets.

    It goes on in the message's stead only while a function runs that the mail flow waits for.
    `depots` are those of the process. Raises ResourceNotFound,
    ContentUnreachable, ContentRejected, TryLater.
    """
    async with ROOMS.enter(account, PATIENCE_SECONDS) as room:
        await _put(core, room, depots, account, id, place, function)


async def _put(
    core: Core, room: Room, depots: Depots, account: str, id: str, place: ObjectPlace, function: str
) -> None:
    row = await find(core, account=account, id=id, function=function)
    try:
        key = await transit.open_content_key(core, row)
    except KeyDestroyed:
        raise not_found(id) from None
    whole = await core.contents.get(row.content, key)
    before, original = whole[: row.skip], whole[row.skip :]
    depot = depots.find(core.settings, account, place.bucket)
    if depot is None:
        raise ContentUnreachable(UNREACHABLE.format(place.bucket))
    # What came in with the largest size, and with trace fields since, may go back as it is.
    limit = max(_limit(core, row), len(original))
    outgoing = row.direction == OUTGOING
    content = await room.run(_bring, depot, place, original, limit=limit, outgoing=outgoing)
    if content != original:
        await _write(core, row, before + content)


def _limit(core: Core, row: TransitRow) -> int:
    limits = core.settings.limits
    if row.direction == OUTGOING and limits.outgoing_message_bytes:
        return min(limits.message_bytes, limits.outgoing_message_bytes)
    return limits.message_bytes


def _bring(
    depot: Depot, place: ObjectPlace, original: bytes, *, limit: int, outgoing: bool
) -> bytes:
    """The object as a message, checked against the original. Blocking."""
    try:
        content = replacing.mend_line_ends(depot.fetch(place.key, place.version, limit))
        if len(content) > limit:
            raise TooLarge(f"the object has more than {limit} bytes")
        replacing.check_replacement(original, content, outgoing=outgoing)
    except TooLarge:
        raise ContentRejected(f"The message exceeds {limit} bytes.") from None
    except ReplacementRefused as error:
        raise ContentRejected(str(error)) from None
    except Refused as error:
        log.info("a new content cannot be fetched", bucket=place.bucket, reason=error.message)
        raise ContentUnreachable(UNREACHABLE.format(place.bucket)) from None
    return content


async def _write(core: Core, row: TransitRow, raw: bytes) -> None:
    key = content_key(core.env)
    placed = await core.contents.put(raw, key, core.env.new_content_id())
    wrapped, gen = await transit.wrap_content_key(
        core, organization=row.org, id=row.id, content_key=key
    )
    replaced = await core.store.write(
        transit.replace,
        organization=row.org,
        id=row.id,
        fence=row.fence,
        content=placed,
        wrapped_key=wrapped,
        gen=gen,
    )
    if not replaced:
        raise not_found(row.id)

"""The suppression list of an organization: addresses elsewhere that nothing is sent to for a while.

An address gets there when its server says that there is no such mailbox, or by an operator's hand.
Sending on to addresses that do not exist is what spammers do; servers judge the sender by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from workpost.formats.addresses import fold
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import suppressions
from workpost.store.tables.suppressions import NewSuppression, SuppressionRow

DAY_MS = 86_400_000
PAGE = 500
_PURPOSE = "suppression"

Source = Literal["bounce", "operator"]


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """An address that nothing is sent to; times in milliseconds, `until` 0 for no end."""

    address: str
    source: Source
    reason: str
    since: int = 0
    until: int = 0


class _Sealed(msgspec.Struct, frozen=True):
    address: str
    source: Source
    reason: str


_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(_Sealed).decode


def place(organization: str, tag: bytes) -> bytes:
    """Where a suppressed address is sealed."""
    return sealing.place("suppression", "sealed", organization, _PURPOSE, tag.hex())


async def _tag(core: Core, organization: str, address: str) -> bytes:
    key = await core.keys.token_key(_PURPOSE)
    return sealing.tag(key, _PURPOSE, f"{organization}\0{fold(address)}")


async def prepare(core: Core, organization: str, new: Suppressed) -> NewSuppression:
    """Seal an address for the transaction that suppresses it. Raises KeyDestroyed, TryLater."""
    tag = await _tag(core, organization, new.address)
    told = _encode(_Sealed(new.address, new.source, new.reason))
    sealed, gen = await core.keys.seal(organization, told, place(organization, tag))
    return NewSuppression(organization, tag, new.until, gen, sealed)


async def find(core: Core, organization: str, addresses: Sequence[str]) -> dict[str, Suppressed]:
    """Those of the addresses that are suppressed now. Raises Fault, KeyDestroyed, TryLater."""
    tags = {await _tag(core, organization, address): address for address in addresses}
    rows = await core.store.read(
        suppressions.find_suppressed, org=organization, tags=list(tags), now=core.env.now()
    )
    return {tags[row.tag]: await _open(core, organization, row) for row in rows}


async def list_suppressed(core: Core, organization: str) -> list[Suppressed]:
    """The whole list, by address, those whose time is over left out."""
    found: list[Suppressed] = []
    after = b""
    while page := await core.store.read(
        suppressions.page_suppressions, org=organization, after=after, limit=PAGE
    ):
        after = page[-1].tag
        now = core.env.now()
        rows = [row for row in page if not row.until or row.until > now]
        found += [await _open(core, organization, row) for row in rows]
    return sorted(found, key=lambda one: fold(one.address))


async def _open(core: Core, organization: str, row: SuppressionRow) -> Suppressed:
    opened = _decode(
        await core.keys.unseal(organization, row.gen, row.sealed, place(organization, row.tag))
    )
    return Suppressed(
        address=opened.address,
        source=opened.source,
        reason=opened.reason,
        since=row.since,
        until=row.until,
    )


async def add(core: Core, organization: str, new: Suppressed) -> None:
    """Put an address on the list, or replace what was said of it."""
    await core.store.write(put, new=await prepare(core, organization, new))


async def remove(core: Core, organization: str, address: str) -> bool:
    """Take an address off the list; tells whether it was there."""
    tag = await _tag(core, organization, address)
    removed: bool = await core.store.write(take_off, organization=organization, tag=tag)
    return removed


@command
def put(tx: Tx, *, new: NewSuppression) -> None:
    """Suppress an address."""
    suppressions.put_suppression(tx, new)


@command
def take_off(tx: Tx, *, organization: str, tag: bytes) -> bool:
    """Take an address off the list; tells whether it was there."""
    return suppressions.delete_suppression(tx, org=organization, tag=tag)

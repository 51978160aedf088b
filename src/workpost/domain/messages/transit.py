"""Messages in transit: what functions of Run Lambda rules read and replace by messageId.

The mail flow begins a message before each attempt to invoke its function and closes it afterwards;
it is readable for a day more. Whatever the function puts between the two is what goes on, if the
mail flow waits for it; what is put later is only read. Every attempt begins from the original. The
row refers to the content that Get gives; whoever waits for the function keeps the original by a
reference of its own (the queue entry).
"""

from __future__ import annotations

import msgspec

from workpost.store.content.types import Placed
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.keys import sealing
from workpost.store.tables import contents, in_transit, organizations
from workpost.store.tables.in_transit import TransitRow
from workpost.store.tables.organizations import ACTIVE

LIFETIME_MS = 24 * 3_600_000
"""How long a message can be read after its function began or ended (WorkMail: one day)."""


class NewTransit(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a function is about to be told of; `id` is its messageId.

    `content` is there already, or comes in the same transaction; `wrapped_key` and `gen` are of
    `wrap_content_key`; `skip` counts the octets of our Return-Path before the message.
    """

    organization: str
    id: str
    direction: str
    content: bytes
    wrapped_key: bytes
    gen: int
    skip: int
    function: str
    synchronous: bool
    fence: int


def place(organization: str, id: str) -> bytes:
    """What a message's wrapped content key is bound to."""
    return sealing.place("in_transit", "wrapped_key", organization, "in_transit", id)


async def wrap_content_key(
    core: Core, *, organization: str, id: str, content_key: bytes
) -> tuple[bytes, int]:
    """The content key for a message's row, and the generation that wraps it.

    Raises KeyDestroyed, TryLater.
    """
    return await core.keys.seal(organization, content_key, place(organization, id))


async def open_content_key(core: Core, row: TransitRow) -> bytes:
    """The key of the row's content. Raises Fault, KeyDestroyed, TryLater."""
    return await core.keys.unseal(row.org, row.gen, row.wrapped_key, place(row.org, row.id))


def runs(row: TransitRow, function: str) -> bool:
    """Whether this function runs on the message now.

    An ARN without a version or alias stands for all of the function's.
    """
    return row.running and function in {row.function, ":".join(row.function.split(":")[:7])}


@command
def begin(tx: Tx, *, transit: NewTransit) -> None:
    """Let a message be read and replaced, from its original content whatever was put before."""
    before = in_transit.lock_row(tx, org=transit.organization, id=transit.id)
    if before is not None and before.content != transit.content:
        contents.release_content(tx, before.content)
    in_transit.put_row(
        tx,
        TransitRow(
            org=transit.organization,
            id=transit.id,
            direction=transit.direction,
            content=transit.content,
            wrapped_key=transit.wrapped_key,
            gen=transit.gen,
            skip=transit.skip,
            function=transit.function,
            running=True,
            synchronous=transit.synchronous,
            replaced=False,
            fence=transit.fence,
            expires=tx.env.now() + LIFETIME_MS,
        ),
    )


@command
def close(tx: Tx, *, organization: str, id: str, fence: int) -> TransitRow | None:
    """End the function's time: the row as it is now, with the content that goes on.

    `replaced` tells whether that is not the original. None when somebody else has begun it since,
    or it is not there (any more).
    """
    row = in_transit.lock_row(tx, org=organization, id=id)
    if row is None or row.fence != fence:
        return None
    ended = msgspec.structs.replace(row, running=False, expires=tx.env.now() + LIFETIME_MS)
    in_transit.put_row(tx, ended)
    return ended


@quick
def find_message(tx: Reader, *, id: str) -> TransitRow | None:
    """The message of this id, of whatever organization; None when there is none, or no more."""
    return in_transit.find_row(tx, id=id, now=tx.env.now())


@quick
def find_in_account(tx: Reader, *, account: str, id: str) -> TransitRow | None:
    """The message of this id, if an active organization of the account has it."""
    row = in_transit.find_row(tx, id=id, now=tx.env.now())
    if row is None:
        return None
    known = organizations.get_state(tx, organization=row.org)
    return row if known is not None and tuple(known) == (account, ACTIVE) else None


@command
def replace(
    tx: Tx,
    *,
    organization: str,
    id: str,
    fence: int,
    content: Placed,
    wrapped_key: bytes,
    gen: int,
) -> bool:
    """Put another content in the place of a message's; False, and nothing is written, without one.

    Get gives it from now on. It goes on instead of the original only when it is put while a
    function runs that the mail flow waits for. `fence` is that of the attempt in which it was
    asked for: what was still being fetched when the next one began is not put into that.
    """
    row = in_transit.lock_row(tx, org=organization, id=id)
    if row is None or row.expires <= tx.env.now() or row.fence != fence:
        return False
    contents.insert_content(tx, content)
    contents.release_content(tx, row.content)
    in_transit.put_row(
        tx,
        msgspec.structs.replace(
            row,
            content=content.id,
            wrapped_key=wrapped_key,
            gen=gen,
            replaced=row.replaced or (row.running and row.synchronous),
        ),
    )
    return True


@command
def expire_messages(tx: Tx, *, limit: int) -> int:
    """Forget a slice of the messages whose day is over; returns how many."""
    gone = in_transit.delete_expired(tx, now=tx.env.now(), limit=limit)
    contents.release_contents(tx, gone)
    return len(gone)

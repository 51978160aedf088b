"""COPY and MOVE: RFC 3501 6.4.7, RFC 6851, UIDPLUS of RFC 4315 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from workpost.domain.messages import across, removing
from workpost.domain.messages import shell as messages
from workpost.domain.messages.changes import SLICE
from workpost.domain.messages.shell import Copied
from workpost.kernel.errors import WorkpostError
from workpost.kernel.principal import Grant
from workpost.kernel.trail import Action
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import Found, message_numbers, require_writable, target_folder
from workpost.protocols.imap.telling import tell_items, tell_selected
from workpost.protocols.imap.wire import commands, encoder
from workpost.protocols.imap.wire.sequence import format_numbers
from workpost.store.core import Core

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def copy(session: Session, command: commands.Copy) -> Done:
    """Copy or move messages to another folder."""
    selection = session.selected
    numbers = message_numbers(selection, command.numbers, uid=command.uid)
    uids = list(selection.tracker.uids(numbers))
    target = await target_folder(session, command.mailbox)
    if command.move:
        require_writable(selection)
        if target.folder.id == selection.folder:
            raise Refused("The messages are in this mailbox already", "CANNOT")
        return await _move(session, uids, target)
    if not uids:
        return Done("COPY completed")
    copied = await _copy(session, uids, target)
    await _tell(session, "copy", "copy_to", copied.pairs, target)
    return Done("COPY completed", _copyuid(copied) if copied.pairs else "")


async def _copy(session: Session, uids: list[int], target: Found) -> Copied:
    """All or nothing (RFC 3501 6.4.7): where a slice fails, those before it are withdrawn."""
    folder = session.selected.folder
    done = Copied(0, [])
    try:
        for some in slices(uids):
            copied = await session.ask_across(
                target.owner, across.copy, folder, some, target.folder.id
            )
            if copied.pairs:
                done = Copied(copied.uidvalidity, done.pairs + copied.pairs)
    except WorkpostError:
        placed = [new for _, new in done.pairs]
        await session.ask_in(target.owner, removing.withdraw, target.folder.id, placed)
        raise
    return done


async def _move(session: Session, uids: list[int], target: Found) -> Done:
    """COPYUID comes untagged, before the messages vanish (RFC 6851 4.3)."""
    folder = session.selected.folder
    for some in slices(uids):
        for moved in await session.ask_across(
            target.owner, _move_across, folder, some, target.folder.id
        ):
            session.connection.send(encoder.status_line(b"*", "OK", "Moved", _copyuid(moved)))
            await _tell(session, "move", "move_to", moved.pairs, target)
    return Done("MOVE completed")


async def _tell(
    session: Session, out: Action, into: Action, pairs: Sequence[tuple[int, int]], target: Found
) -> None:
    await tell_selected(session, out, [old for old, _ in pairs])
    await tell_items(
        session,
        into,
        [new for _, new in pairs],
        owner=target.owner,
        folder=target.folder.id,
        path=target.folder.path,
    )


def slices(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut uids into what one write takes, so that a renewed grant repeats one slice only."""
    for at in range(0, len(uids), SLICE):
        yield uids[at : at + SLICE]


async def move_slice(
    core: Core, grant: Grant, folder: int, uids: Sequence[int], target: int
) -> list[Copied]:
    """Move one slice."""
    return [moved async for moved in messages.move(core, grant, folder, uids, target)]


async def _move_across(
    core: Core, grant: Grant, to: Grant, folder: int, uids: Sequence[int], target: int
) -> list[Copied]:
    return [moved async for moved in across.move(core, grant, to, folder, uids, target)]


def _copyuid(copied: Copied) -> str:
    old = format_numbers([pair[0] for pair in copied.pairs]).decode("ascii")
    new = format_numbers([pair[1] for pair in copied.pairs]).decode("ascii")
    return f"COPYUID {copied.uidvalidity} {old} {new}"

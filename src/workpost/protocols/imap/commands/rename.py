"""RENAME: RFC 3501 6.3.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.names import INBOX
from workpost.domain.messages import shell as messages
from workpost.protocols.imap.commands.copy import move_slice, slices
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import place_of
from workpost.protocols.imap.telling import tell_folder
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def rename(session: Session, command: commands.Rename) -> Done:
    """Rename a folder with all below it. INBOX stays, and gives its messages to the new one."""
    old, new = place_of(command.mailbox), place_of(command.new_name.removesuffix("/"))
    if old.owner != new.owner:
        raise Refused("A mailbox cannot be renamed into that of somebody else", "CANNOT")
    if old.path.upper() == INBOX:
        await _empty_inbox(session, old.owner, new.path)
    else:
        await session.ask_in(old.owner, mailboxes.rename_folder, old.path, new.path)
    await tell_folder(session, "update", owner=old.owner, path=old.path)
    return Done("RENAME completed")


async def _empty_inbox(session: Session, owner: str, new_name: str) -> None:
    inbox = await session.ask_in(owner, mailboxes.find_folder, INBOX)
    target = await session.ask_in(owner, mailboxes.create_folder, new_name)
    uids = await session.ask_in(owner, messages.uid_map, inbox.id)
    for some in slices(list(uids)):
        await session.ask_in(owner, move_slice, inbox.id, some, target.id)

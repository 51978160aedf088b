"""RENAME: RFC 3501 6.3.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.protocols.imap.commands.copy import move_slice, slices
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def rename(session: Session, command: commands.Rename) -> Done:
    """Rename a folder with all below it. INBOX stays, and gives its messages to the new one."""
    new_name = command.new_name.removesuffix("/")
    if command.mailbox == "INBOX":
        await _empty_inbox(session, new_name)
    else:
        await session.ask(mailboxes.rename_folder, command.mailbox, new_name)
    return Done("RENAME completed")


async def _empty_inbox(session: Session, new_name: str) -> None:
    inbox = await session.ask(mailboxes.find_folder, "INBOX")
    target = await session.ask(mailboxes.create_folder, new_name)
    uids = await session.ask(messages.uid_map, inbox.id)
    for some in slices(list(uids)):
        await session.ask(move_slice, inbox.id, some, target.id)

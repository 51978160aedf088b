"""APPEND: RFC 3501 6.3.11, RFC 4315 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.messages import shell as messages
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import split_flags, target_folder
from workpost.protocols.imap.telling import tell_items
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def append(session: Session, command: commands.Append) -> Done:
    """Put one message into a folder; it is durable when OK is sent."""
    target = await target_folder(session, command.mailbox)
    flags, keywords = split_flags(command.flags)
    if not command.message:
        raise Refused("The message is empty", "CANNOT")
    received = None if command.received is None else max(0, command.received) * 1000
    done = await session.ask_in(
        target.owner,
        messages.append,
        target.folder.id,
        command.message,
        flags=flags,
        keywords=keywords,
        received=received,
    )
    folder = target.folder
    await tell_items(
        session, "create", [done.uid], owner=target.owner, folder=folder.id, path=folder.path
    )
    return Done("APPEND completed", f"APPENDUID {done.uidvalidity} {done.uid}")

"""SUBSCRIBE and UNSUBSCRIBE: RFC 3501 6.3.6 and 6.3.7."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def subscribe(session: Session, command: commands.Subscribe) -> Done:
    """Put a name on the list of LSUB, or take it off; the folder need not exist."""
    if command.subscribed:
        await session.ask(mailboxes.subscribe, command.mailbox)
        return Done("SUBSCRIBE completed")
    await session.ask(mailboxes.unsubscribe, command.mailbox)
    return Done("UNSUBSCRIBE completed")

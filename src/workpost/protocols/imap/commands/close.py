"""CHECK, CLOSE, UNSELECT: leaving a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.messages import removing
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.telling import tell_selected
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def check(_session: Session, _command: commands.Check) -> Done:
    """RFC 3501 6.4.1: everything is durable already; the dispatcher tells what is new."""
    return Done("CHECK completed")


async def close(session: Session, _command: commands.Close) -> Done:
    """RFC 3501 6.4.2: expunge without telling, unless the folder was opened read-only."""
    selection = session.selected
    if not selection.read_only:
        removed = await session.ask_selected(removing.expunge, selection.folder)
        await tell_selected(session, "delete", removed)
    session.deselect()
    return Done("CLOSE completed")


async def unselect(session: Session, _command: commands.Unselect) -> Done:
    """RFC 3691."""
    session.deselect()
    return Done("UNSELECT completed")

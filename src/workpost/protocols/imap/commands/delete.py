"""DELETE: RFC 3501 6.3.4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.messages import removing
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import place_of
from workpost.protocols.imap.telling import tell_folder
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def delete(session: Session, command: commands.Delete) -> Done:
    """Delete a folder with its messages; one with folders below it is refused."""
    place = place_of(command.mailbox)
    await session.ask_in(place.owner, removing.delete_folder, place.path)
    await tell_folder(session, "delete", owner=place.owner, path=place.path)
    return Done("DELETE completed")

"""CREATE: RFC 3501 6.3.3, with the special uses of RFC 6154 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import SPECIAL_USES, place_of
from workpost.protocols.imap.telling import tell_folder
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

_ROLES = {use: role for role, use in SPECIAL_USES.items()}


async def create(session: Session, command: commands.Create) -> Done:
    """Make a folder; a delimiter at the end only says that folders will follow below it."""
    roles = [_ROLES.get(use, "") for use in command.uses]
    if len(roles) > 1 or "" in roles:
        raise Refused("This special use is not possible", "USEATTR")
    place = place_of(command.mailbox.removesuffix("/"))
    role = roles[0] if roles else ""
    made = await session.ask_in(place.owner, mailboxes.create_folder, place.path, role)
    await tell_folder(session, "create", owner=place.owner, path=made.path, folder=made.id)
    return Done("CREATE completed")

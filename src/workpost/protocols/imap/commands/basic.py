"""CAPABILITY, NOOP, LOGOUT, ID, NAMESPACE: what needs no mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes.names import OTHER_USERS
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.wire import commands, encoder

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def capability(session: Session, _command: commands.Capability) -> Done:
    """RFC 3501 6.1.1."""
    names = f"CAPABILITY {session.capabilities()}"
    session.connection.send(encoder.untagged(names.encode("ascii")))
    return Done("Capability completed")


async def noop(_session: Session, _command: commands.Noop) -> Done:
    """RFC 3501 6.1.2: the dispatcher tells what is new."""
    return Done("NOOP completed")


async def logout(session: Session, _command: commands.Logout) -> Done:
    """RFC 3501 6.1.3: BYE comes before the tagged OK."""
    session.connection.send(encoder.status_line(b"*", "BYE", "Logging out"))
    session.deselect()
    session.leaving = True
    return Done("Logout completed")


async def identify(session: Session, _command: commands.Id) -> Done:
    """RFC 2971; the version is nobody's business before login, and nobody's need after."""
    session.connection.send(encoder.untagged(b'ID ("name" "Workpost")'))
    return Done("ID completed")


async def namespace(session: Session, _command: commands.Namespace) -> Done:
    """RFC 2342: one's own mailbox, and those of others under one name."""
    others = f'NAMESPACE (("" "/")) (("{OTHER_USERS}/" "/")) NIL'
    session.connection.send(encoder.untagged(others.encode("ascii")))
    return Done("Namespace completed")

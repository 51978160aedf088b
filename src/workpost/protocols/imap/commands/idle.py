"""IDLE: RFC 2177. The session only notes it; what is heard later is told by `tell_news`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.wire import commands, encoder

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def idle(session: Session, command: commands.Idle) -> Done:
    """Tell what is new, and from now on what comes; the tagged OK follows DONE."""
    session.connection.send(encoder.continuation(b"idling"))
    session.connection.framer.expect_line()
    session.start_idle(command.tag)
    return Done("")

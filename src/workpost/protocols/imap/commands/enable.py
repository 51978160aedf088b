"""ENABLE: RFC 5161."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.wire import commands, encoder

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def enable(session: Session, command: commands.Enable) -> Done:
    """Turn on CONDSTORE and QRESYNC (which includes it: RFC 7162 3.2.3); ignore the unknown."""
    enabled = []
    if "QRESYNC" in command.names and not session.qresync:
        session.qresync = True
        enabled.append("QRESYNC")
    if {"CONDSTORE", "QRESYNC"} & set(command.names) and not session.condstore:
        session.condstore = True
        enabled.append("CONDSTORE")
    session.connection.send(encoder.untagged(" ".join(["ENABLED", *enabled]).encode("ascii")))
    return Done("Enabled")

"""STATUS: RFC 3501 6.3.10, RFC 7162 3.1.7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workpost.domain.mailboxes.shell import Folder
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import find_folder
from workpost.protocols.imap.telling import tell_folder
from workpost.protocols.imap.wire import commands, encoder

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def status(session: Session, command: commands.Status) -> Done:
    """Counters of a folder that need not be selected."""
    owner, folder = await find_folder(session, command.mailbox)
    await tell_folder(session, "read_summary", owner=owner, path=folder.path, folder=folder.id)
    if "HIGHESTMODSEQ" in command.items:
        session.condstore = True
    session.connection.send(status_answer(command.mailbox, folder, command.items))
    return Done("STATUS completed")


def status_answer(path: str, folder: Folder, items: Sequence[str]) -> bytes:
    """The STATUS answer of a folder. RECENT is at most what it says: uids may have holes."""
    values = {
        "MESSAGES": folder.total,
        "RECENT": min(folder.total, max(0, folder.uidnext - folder.first_recent)),
        "UIDNEXT": folder.uidnext,
        "UIDVALIDITY": folder.uidvalidity,
        "UNSEEN": folder.unread,
        "HIGHESTMODSEQ": folder.modseq,
    }
    shown = " ".join([f"{item} {values[item]}" for item in items])
    return b"* STATUS %b (%b)\r\n" % (encoder.mailbox(path), shown.encode("ascii"))

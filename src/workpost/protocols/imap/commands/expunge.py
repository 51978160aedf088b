"""EXPUNGE and UID EXPUNGE: RFC 3501 6.4.3, RFC 4315 2.1, RFC 7162 3.2.9."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import removing
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import require_writable
from workpost.protocols.imap.telling import tell_selected
from workpost.protocols.imap.wire import commands

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def expunge(session: Session, command: commands.Expunge) -> Done:
    """Remove what has \\Deleted; EXPUNGE or VANISHED are told by the dispatcher."""
    selection = session.selected
    require_writable(selection)
    uids = None
    if command.uids is not None:
        ranges = selection.tracker.numbers(command.uids, by_uid=True)
        uids = list(selection.tracker.uids(ranges))
    removed = await session.ask_selected(removing.expunge, selection.folder, uids)
    await tell_selected(session, "delete", removed)
    if not session.condstore:
        return Done("EXPUNGE completed")
    # Read before the view is refreshed, so that nothing below it is left untold.
    folder = await session.ask_selected(mailboxes.status, selection.folder)
    return Done("EXPUNGE completed", f"HIGHESTMODSEQ {folder.modseq}")

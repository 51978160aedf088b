"""SELECT and EXAMINE: RFC 3501 6.3.1, with CONDSTORE and QRESYNC of RFC 7162 3.1.8 and 3.2.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.shell import Folder
from workpost.domain.messages import shell as messages
from workpost.domain.messages.shell import Changes
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import find_folder
from workpost.protocols.imap.selection import Selection, open_view
from workpost.protocols.imap.tracker import CHUNK
from workpost.protocols.imap.wire import commands, encoder, sequence
from workpost.protocols.imap.wire.commands import KnownUids

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

_FLAGS = encoder.flag_list(encoder.SYSTEM_FLAGS)
_PERMANENT = "PERMANENTFLAGS (" + " ".join(encoder.SYSTEM_FLAGS) + " \\*)"


async def select(session: Session, command: commands.Select) -> Done:
    """Open a folder; whatever was open is closed, even when the new one cannot be."""
    if command.qresync is not None and not session.qresync:
        raise Refused("QRESYNC is not enabled", status="BAD")
    if session.selection is not None:
        session.deselect()
        _untagged(session, "CLOSED", "The previous mailbox is closed")
    owner, folder = await find_folder(session, command.mailbox)
    recent_from = folder.first_recent
    if not command.read_only:
        recent_from = await session.ask_in(owner, mailboxes.claim_recent, folder)
    folder, tracker = await open_view(session, owner, folder, recent_from)
    selection = Selection(folder, tracker, read_only=command.read_only, owner=owner)
    await _describe(session, selection, folder)
    session.condstore |= command.condstore
    if command.qresync is not None and command.qresync.uidvalidity == folder.uidvalidity:
        await _resynchronize(session, selection, command.qresync)
    await session.select(selection)
    if command.read_only:
        return Done("EXAMINE completed", "READ-ONLY")
    return Done("SELECT completed", "READ-WRITE")


async def _describe(session: Session, selection: Selection, folder: Folder) -> None:
    tracker = selection.tracker
    unseen = None
    if folder.unread:
        unseen = await session.ask_in(selection.owner, messages.first_unseen, folder.id)
    connection = session.connection
    connection.send(encoder.untagged(b"FLAGS " + _FLAGS))
    permanent = "PERMANENTFLAGS ()" if selection.read_only else _PERMANENT
    _untagged(session, permanent, "Flags that are kept")
    connection.send(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(tracker), tracker.recent))
    if unseen is not None and tracker.number(unseen):
        _untagged(session, f"UNSEEN {tracker.number(unseen)}", "First unseen message")
    _untagged(session, f"UIDVALIDITY {folder.uidvalidity}", "UIDs are valid")
    _untagged(session, f"UIDNEXT {folder.uidnext}", "Next UID")
    _untagged(session, f"HIGHESTMODSEQ {tracker.modseq}", "Highest modification sequence")


async def _resynchronize(session: Session, selection: Selection, known: KnownUids) -> None:
    """Tell what vanished and what changed since the client was here last."""
    changes = await session.ask_in(
        selection.owner, messages.changes_since, selection.folder, known.modseq
    )
    tracker = selection.tracker
    everything: sequence.SequenceSet = ((1, sequence.MAX_NUMBER),)
    wanted = sequence.resolve(known.uids or everything, sequence.MAX_NUMBER)
    gone = vanished(selection, changes, wanted)
    if gone:
        text = b"VANISHED (EARLIER) " + sequence.format_ranges(gone)
        session.connection.send(encoder.untagged(text))
    lines = [
        encoder.FETCH_FLAGS_MODSEQ
        % (number, row.uid, selection.flags(row.flags, row.keywords, row.uid), row.modseq)
        for row in changes.rows
        if (number := tracker.number(row.uid)) and sequence.contains(wanted, row.uid)
    ]
    for at in range(0, len(lines), CHUNK):
        session.connection.send(b"".join(lines[at : at + CHUNK]))
        await session.connection.drain()


def vanished(selection: Selection, changes: Changes, wanted: sequence.Ranges) -> sequence.Ranges:
    """The uids of `wanted` that vanished; where the store forgot, all that are not there."""
    tracker = selection.tracker
    if changes.complete:
        gone = [uid for uid in changes.gone if sequence.contains(wanted, uid)]
        return sequence.ranges_of([uid for uid in gone if not tracker.number(uid)])
    missing: sequence.Ranges = []
    after = 0
    for low, high in sequence.ranges_of(tracker.uids([(1, len(tracker))])):
        if low > after + 1:
            missing.append((after + 1, low - 1))
        after = high
    if after + 1 < selection.uidnext:
        missing.append((after + 1, selection.uidnext - 1))
    return sequence.merge(
        [pair for low, high in missing for pair in sequence.clip(wanted, low, high)]
    )


def _untagged(session: Session, code: str, text: str) -> None:
    session.connection.send(encoder.status_line(b"*", "OK", text, code))

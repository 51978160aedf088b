"""STORE: RFC 3501 6.4.6, RFC 7162 3.1.3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workpost.domain.messages import flags as bits
from workpost.domain.messages import shell as messages
from workpost.domain.messages.changes import Changed
from workpost.domain.messages.flags import Action
from workpost.kernel.principal import Grant
from workpost.kernel.trail import Action as Told
from workpost.protocols.imap.commands.copy import slices
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import message_numbers, require_writable, split_flags
from workpost.protocols.imap.telling import tell_selected
from workpost.protocols.imap.wire import commands, encoder
from workpost.protocols.imap.wire.sequence import format_numbers
from workpost.store.core import Core

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

_ACTIONS: dict[str, Action] = {"replace": "set", "add": "add", "remove": "remove"}
_MODSEQ_ONLY = b"* %d FETCH (UID %d MODSEQ (%d))\r\n"


async def store(session: Session, command: commands.Store) -> Done:
    """Change flags, slice by slice; what UNCHANGEDSINCE protects is named in MODIFIED."""
    selection = session.selected
    require_writable(selection)
    flags, keywords = split_flags(command.flags)
    if command.unchanged_since is not None:
        session.condstore = True
    tracker = selection.tracker
    numbers = message_numbers(selection, command.numbers, uid=command.uid)
    uids = [uid for uid in tracker.uids(numbers) if not tracker.is_gone(uid)]
    failed: list[int] = []
    action = _ACTIONS[command.mode]
    told: Told = "update_read_state" if (flags, keywords) == (bits.SEEN, []) else "update"
    for some in slices(uids):
        for changed in await session.ask_selected(
            change_slice,
            selection.folder,
            some,
            action,
            flags,
            keywords,
            command.unchanged_since,
        ):
            _answer(session, changed, silent=command.silent, known=action == "set")
            await tell_selected(session, told, [row.uid for row in changed.rows])
            failed += changed.failed
        await session.connection.drain()
    if not failed:
        return Done("STORE completed")
    named = failed if command.uid else [tracker.number(uid) for uid in failed]
    return Done("Some were changed meanwhile", f"MODIFIED {format_numbers(named).decode('ascii')}")


async def change_slice(
    core: Core,
    grant: Grant,
    folder: int,
    uids: Sequence[int],
    action: Action,
    flags: int,
    keywords: Sequence[bytes] = (),
    unchanged_since: int | None = None,
) -> list[Changed]:
    """Change the flags of one slice."""
    outcome = messages.change_flags(
        core,
        grant,
        folder,
        uids,
        action=action,
        flags=flags,
        keywords=keywords,
        unchanged_since=unchanged_since,
    )
    return [changed async for changed in outcome]


def _answer(session: Session, changed: Changed, *, silent: bool, known: bool) -> None:
    """Send the FETCH answers of a slice. With SILENT a client is told what it cannot know."""
    selection = session.selected
    number = selection.tracker.number
    rows = changed.rows
    if not silent:
        lines = [
            encoder.FETCH_FLAGS_MODSEQ % (*line, row.modseq)
            if session.condstore
            else encoder.FETCH_FLAGS % line
            for row in rows
            for line in [
                (number(row.uid), row.uid, selection.flags(row.flags, row.keywords, row.uid))
            ]
        ]
    elif session.condstore:
        lines = [_MODSEQ_ONLY % (number(row.uid), row.uid, row.modseq) for row in rows]
    else:
        lines = []
    session.connection.send(b"".join(lines))
    # A message that another changed meanwhile, and this command did not, is told later.
    selection.tracker.told(
        [
            (row.uid, row.modseq)
            for row in rows
            if not silent or known or row.modseq == changed.modseq
        ]
    )

"""SEARCH: RFC 3501 6.4.4, RFC 5032, RFC 7162 3.1.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workpost.domain.messages import searching
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import SYSTEM_BITS, message_numbers
from workpost.protocols.imap.selection import Selection
from workpost.protocols.imap.telling import tell_listed
from workpost.protocols.imap.wire import commands, encoder
from workpost.protocols.imap.wire.sequence import MAX_NUMBER

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def search(session: Session, command: commands.Search) -> Done:
    """Find messages; the answer has numbers, or uids for UID SEARCH."""
    selection = session.selected
    session.condstore |= command.modseq
    key = _translate(selection, command.key)
    found = await session.ask_selected(searching.search, selection.folder, key)
    await tell_listed(session)
    number = selection.tracker.number
    known = [(uid, place, modseq) for uid, modseq in found if (place := number(uid))]
    shown = [uid if command.uid else place for uid, place, _ in known]
    highest = max((modseq for _, _, modseq in known), default=0)
    session.connection.send(encoder.search_answer(shown, highest if command.modseq else None))
    return Done("SEARCH completed")


def _translate(selection: Selection, key: commands.SearchKey) -> searching.Key:
    """The key in the core's terms: uids for numbers, bits for flags."""
    values: tuple[Any, ...] = key
    match values:
        case ("AND", keys):
            return ("AND", tuple(_translate(selection, each) for each in keys))
        case ("OR", first, second):
            return ("OR", (_translate(selection, first), _translate(selection, second)))
        case ("NOT", each):
            return ("NOT", _translate(selection, each))
        case ("SET", numbers):
            ranges = message_numbers(selection, numbers, uid=False)
            return ("UIDS", tuple(selection.tracker.uid_ranges(ranges)))
        case ("UID", numbers):
            ranges = message_numbers(selection, numbers, uid=True)
            return ("UIDS", tuple(selection.tracker.uid_ranges(ranges)))
        case ("RECENT", wanted):
            first = selection.tracker.recent_from
            return ("UIDS", ((first, MAX_NUMBER + 1),) if wanted else ((1, first - 1),))
        case ("FLAG", name, wanted) if name in SYSTEM_BITS:
            return ("BITS", SYSTEM_BITS[name], wanted)
        case ("FLAG", name, wanted):
            return ("KEYWORD", name.encode("ascii"), wanted)
    return key

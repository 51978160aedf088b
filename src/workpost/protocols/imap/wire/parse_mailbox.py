"""The arguments of the commands about mailboxes (RFC 3501 section 6.3 and its extensions)."""

from __future__ import annotations

from typing import cast, get_args

from workpost.protocols.imap.wire import sequence
from workpost.protocols.imap.wire.commands import (
    Append,
    Create,
    KnownUids,
    List,
    Rename,
    Select,
    Status,
    StatusItem,
)
from workpost.protocols.imap.wire.dates import read_date_time
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.tokens import Cursor

MAX_PATTERNS = 100

_STATUS_ITEMS = frozenset(get_args(StatusItem))
_SELECTION = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_RETURN = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"})
_USES = {
    use.upper(): use
    for use in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")
}


def parse_select(tag: bytes, cursor: Cursor, read_only: bool) -> Select:
    """Parse what follows SELECT or EXAMINE."""
    cursor.space()
    mailbox = cursor.mailbox()
    condstore, qresync = False, None
    if cursor.accept(b" ("):
        while True:
            name = cursor.word()
            if name == "CONDSTORE":
                condstore = True
            elif name == "QRESYNC" and qresync is None:
                qresync = _known_uids(cursor)
            else:
                raise WireError("Unknown SELECT parameter")
            if not cursor.accept(b" "):
                break
        cursor.expect(b")")
    cursor.end()
    return Select(tag, mailbox, read_only, condstore, qresync)


def parse_create(tag: bytes, cursor: Cursor) -> Create:
    """Parse what follows CREATE; unknown special uses raise USEATTR (RFC 6154 section 3)."""
    cursor.space()
    mailbox = cursor.mailbox()
    uses: list[str] = []
    if cursor.accept(b" (USE ("):
        while not cursor.accept(b")"):
            cursor.expect(b"\\")
            use = _USES.get("\\" + cursor.word())
            if use is None:
                raise WireError("Unknown special use", status="NO", code="USEATTR")
            uses.append(use)
            if not cursor.looking_at(b")"):
                cursor.space()
        cursor.expect(b")")
    cursor.end()
    return Create(tag, mailbox, tuple(dict.fromkeys(uses)))


def parse_rename(tag: bytes, cursor: Cursor) -> Rename:
    """Parse what follows RENAME."""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    new_name = cursor.mailbox()
    cursor.end()
    return Rename(tag, mailbox, new_name)


def parse_list(tag: bytes, cursor: Cursor) -> List:
    """Parse what follows LIST, basic or extended (RFC 5258 section 6)."""
    cursor.space()
    extended = False
    select: frozenset[str] = frozenset()
    if cursor.accept(b"("):
        extended = True
        select = _options(cursor, _SELECTION)
        cursor.space()
        if "RECURSIVEMATCH" in select and select <= {"RECURSIVEMATCH", "REMOTE"}:
            raise WireError("RECURSIVEMATCH needs another selection option")
    reference = cursor.mailbox()
    cursor.space()
    if cursor.accept(b"("):
        extended = True
        patterns = _patterns(cursor)
    else:
        patterns = (cursor.pattern(),)
    show: frozenset[str] = frozenset()
    status: tuple[StatusItem, ...] = ()
    if cursor.accept(b" RETURN ("):
        extended = True
        show, status = _return_options(cursor)
    cursor.end()
    return List(tag, reference, patterns, False, extended, select, show, status)


def parse_lsub(tag: bytes, cursor: Cursor) -> List:
    """Parse what follows LSUB."""
    cursor.space()
    reference = cursor.mailbox()
    cursor.space()
    pattern = cursor.pattern()
    cursor.end()
    return List(tag, reference, (pattern,), lsub=True)


def parse_status(tag: bytes, cursor: Cursor) -> Status:
    """Parse what follows STATUS."""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    items = _status_items(cursor)
    cursor.end()
    return Status(tag, mailbox, items)


def parse_append(tag: bytes, cursor: Cursor) -> Append:
    """Parse what follows APPEND. The message may be a literal or, for tests by hand, quoted."""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    flags: tuple[str, ...] = ()
    received = None
    if cursor.looking_at(b"("):
        flags = cursor.flag_list()
        cursor.space()
    if cursor.looking_at(b'"'):
        received = read_date_time(cursor)
        cursor.space()
    message = cursor.string()
    cursor.end()
    return Append(tag, mailbox, flags, received, message)


def _known_uids(cursor: Cursor) -> KnownUids:
    cursor.expect(b" (")
    uidvalidity = cursor.number()
    cursor.space()
    modseq = cursor.modseq()
    uids = None
    numbers: sequence.SequenceSet = ()
    number_uids: sequence.SequenceSet = ()
    matched = cursor.accept(b" (")
    if not matched and cursor.accept(b" "):
        uids = cursor.uid_set()
        matched = cursor.accept(b" (")
    if matched:
        numbers = cursor.uid_set()
        cursor.space()
        number_uids = cursor.uid_set()
        cursor.expect(b")")
        if _size(numbers) != _size(number_uids):
            raise WireError("Sequence match data differ in length")
    cursor.expect(b")")
    if not uidvalidity:
        raise WireError("UIDVALIDITY must not be zero")
    return KnownUids(uidvalidity, modseq, uids, numbers, number_uids)


def _size(numbers: sequence.SequenceSet) -> int:
    return sum(high - low + 1 for low, high in numbers)


def _options(cursor: Cursor, known: frozenset[str]) -> frozenset[str]:
    names: set[str] = set()
    while not cursor.accept(b")"):
        if names:
            cursor.space()
        name = cursor.word()
        if name not in known:
            raise WireError("Unknown LIST option")
        names.add(name)
    return frozenset(names)


def _return_options(cursor: Cursor) -> tuple[frozenset[str], tuple[StatusItem, ...]]:
    names: set[str] = set()
    status: tuple[StatusItem, ...] = ()
    while not cursor.accept(b")"):
        if names or status:
            cursor.space()
        name = cursor.word()
        if name == "STATUS":
            cursor.space()
            status = _status_items(cursor)
        elif name in _RETURN:
            names.add(name)
        else:
            raise WireError("Unknown LIST option")
    return frozenset(names), status


def _patterns(cursor: Cursor) -> tuple[str, ...]:
    patterns = [cursor.pattern()]
    while cursor.accept(b" "):
        patterns.append(cursor.pattern())
        if len(patterns) > MAX_PATTERNS:
            raise WireError("Too many patterns", status="NO", code="LIMIT")
    cursor.expect(b")")
    return tuple(patterns)


def _status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    cursor.expect(b"(")
    items: list[StatusItem] = []
    while True:
        name = cursor.word()
        if name not in _STATUS_ITEMS:
            raise WireError("Unknown STATUS item")
        items.append(cast(StatusItem, name))
        if not cursor.accept(b" "):
            break
    cursor.expect(b")")
    return tuple(dict.fromkeys(items))

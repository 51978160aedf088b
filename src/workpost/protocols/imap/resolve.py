"""From what a client names to what the core knows: messages, flags, mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.names import DELIMITER, OTHER_USERS
from workpost.domain.mailboxes.shell import Folder
from workpost.domain.messages import flags as bits
from workpost.formats.addresses import fold
from workpost.kernel.errors import FolderNotFound, InvalidParameter
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.selection import Selection
from workpost.protocols.imap.wire import sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workpost.protocols.imap.session import Session

SYSTEM_BITS = {
    "\\Seen": bits.SEEN,
    "\\Answered": bits.ANSWERED,
    "\\Flagged": bits.FLAGGED,
    "\\Deleted": bits.DELETED,
    "\\Draft": bits.DRAFT,
}
SPECIAL_USES = {
    "drafts": "\\Drafts",
    "sent": "\\Sent",
    "trash": "\\Trash",
    "junk": "\\Junk",
    "archive": "\\Archive",
}
"""Roles of folders and their special uses (RFC 6154 2)."""

GAP = 50
"""Messages that are read for nothing rather than asking the store once more."""


class Window(NamedTuple):
    """A stretch of uids to read at once; `wanted` are the message numbers, None for all of it."""

    low: int
    high: int
    wanted: sequence.Ranges | None


def message_numbers(
    selection: Selection, numbers: sequence.SequenceSet, *, uid: bool
) -> sequence.Ranges:
    """The message numbers of a set; unknown uids are left out.

    Raises Refused (BAD) for a message number that the client cannot know (RFC 3501 9,
    `seq-number`).
    """
    if not uid:
        count = len(selection.tracker)
        if any(max(pair) > count for pair in numbers):
            raise Refused("No such message", status="BAD")
    return selection.tracker.numbers(numbers, by_uid=uid)


def windows(selection: Selection, numbers: sequence.Ranges) -> Iterator[Window]:
    """Cut message numbers into stretches of uids, bridging small gaps."""
    pending: sequence.Ranges = []
    for low, high in numbers:
        if pending and low - pending[-1][1] > GAP:
            yield _window(selection, pending)
            pending = []
        pending.append((low, high))
    if pending:
        yield _window(selection, pending)


def _window(selection: Selection, numbers: sequence.Ranges) -> Window:
    uid = selection.tracker.uid
    wanted = numbers if len(numbers) > 1 else None
    return Window(uid(numbers[0][0]), uid(numbers[-1][1]), wanted)


def split_flags(flags: Sequence[str]) -> tuple[int, list[bytes]]:
    """System flags as bits, keywords as bytes. Raises Refused for too many keywords."""
    keywords = [flag.encode("ascii") for flag in flags if not flag.startswith("\\")]
    if len(keywords) > bits.MAX_KEYWORDS or any(len(k) > bits.MAX_KEYWORD for k in keywords):
        raise Refused("Too many or too long keywords", "LIMIT")
    value = 0
    for flag in flags:
        value |= SYSTEM_BITS.get(flag, 0)
    return value, keywords


def require_writable(selection: Selection) -> None:
    """Raises Refused where the folder was opened with EXAMINE."""
    if selection.read_only:
        raise Refused("The mailbox was opened read-only")


class Place(NamedTuple):
    """Where a name leads: the folded address of a mailbox's owner, "" for one's own, and a path."""

    owner: str
    path: str


class Found(NamedTuple):
    """A folder and whose it is."""

    owner: str
    folder: Folder


def place_of(name: str) -> Place:
    """The place of a mailbox name; below `Other Users/<address>/` are the folders of others.

    Raises FolderNotFound for the names above those, which hold nothing.
    """
    if name != OTHER_USERS and not name.startswith(OTHER_USERS + DELIMITER):
        return Place("", name)
    _, _, rest = name.partition(DELIMITER)
    address, _, path = rest.partition(DELIMITER)
    if not address or not path:
        raise FolderNotFound("There is no such mailbox.")
    return Place(fold(address), path)


async def find_folder(session: Session, name: str) -> Found:
    """The folder of a name, one's own or another's. Raises FolderNotFound, InvalidParameter."""
    place = place_of(name)
    folder = await session.ask_in(place.owner, mailboxes.find_folder, place.path)
    return Found(place.owner, folder)


async def target_folder(session: Session, name: str) -> Found:
    """The folder that APPEND, COPY or MOVE names; TRYCREATE where it does not exist."""
    try:
        return await find_folder(session, name)
    except (FolderNotFound, InvalidParameter):
        raise Refused("There is no such mailbox", "TRYCREATE") from None

"""The folder a session has selected, and how its view follows the store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.shell import Folder
from workpost.domain.messages import flags as bits
from workpost.domain.messages import shell as messages
from workpost.domain.messages.changes import FlagRow
from workpost.protocols.imap.tracker import Tracker
from workpost.protocols.imap.wire.encoder import joined_flags

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

PLAIN_FLAGS = [joined_flags(value & bits.SYSTEM) for value in range(64)]
"""Joined flags of every value without keywords; the internal bit is left out."""


class Selection:
    """A selected folder: which one, how, and the client's view of it."""

    __slots__ = ("folder", "owner", "path", "read_only", "tracker", "uidnext", "uidvalidity")

    def __init__(
        self, folder: Folder, tracker: Tracker, *, read_only: bool, owner: str = ""
    ) -> None:
        self.folder = folder.id
        self.owner = owner
        """Whose mailbox it is in: a folded address, "" for one's own."""
        self.path = folder.path
        self.uidvalidity = folder.uidvalidity
        self.uidnext = folder.uidnext
        """As the client was told at SELECT."""
        self.read_only = read_only
        self.tracker = tracker

    def flags(self, value: int, keywords: Sequence[bytes], uid: int) -> bytes:
        """Joined flags of a message as this session shows them."""
        shown = PLAIN_FLAGS[value] if not keywords else joined_with(value, keywords)
        return self.tracker.with_recent(uid, shown)

    async def refresh(self, session: Session) -> None:
        """Take what happened in the store since the view was last complete."""
        tracker = self.tracker
        changes = await session.ask_in(
            self.owner, messages.changes_since, self.folder, tracker.modseq
        )
        known = tracker.last_uid
        tracker.apply(
            changes.modseq,
            new=[row.uid for row in changes.rows if row.uid > known],
            gone=changes.gone if changes.complete else await self._missing(session),
            changed=[(row.uid, shown_flags(row), row.modseq) for row in changes.rows],
        )

    async def _missing(self, session: Session) -> list[int]:
        """What is gone, where the store does not remember: all that is not there."""
        present = set(await session.ask_in(self.owner, messages.uid_map, self.folder))
        tracker = self.tracker
        return [uid for uid in tracker.uids([(1, len(tracker))]) if uid not in present]


def joined_with(value: int, keywords: Sequence[bytes]) -> bytes:
    """Joined flags of a message that has keywords."""
    return b" ".join([part for part in (PLAIN_FLAGS[value], *keywords) if part])


def shown_flags(row: FlagRow) -> bytes:
    """Joined flags of a row, without \\Recent."""
    return joined_with(row.flags, row.keywords) if row.keywords else PLAIN_FLAGS[row.flags]


async def open_view(
    session: Session, owner: str, folder: Folder, recent_from: int
) -> tuple[Folder, Tracker]:
    """The folder and the view of it at one moment.

    Without holes (nothing lost between the lowest and the highest uid) no list of uids is read.
    Counters and bounds come from two snapshots; they belong together when the folder's modseq
    stayed the same around them. Else the list is read, and what happened meanwhile is found
    again by its modseq.
    """
    low, high = await session.ask_in(owner, messages.uid_bounds, folder.id)
    after = await session.ask_in(owner, mailboxes.status, folder.id, folder.path)
    if after.modseq == folder.modseq and after.total == (high - low + 1 if high else 0):
        uids = range(low, high + 1) if high else range(0)
        return after, Tracker(uids, after.modseq, recent_from)
    listed = await session.ask_in(owner, messages.uid_map, folder.id)
    # What came after the counters is news: its uids are not below the UIDNEXT that is announced.
    known = listed[: bisect_left(listed, after.uidnext)]
    return after, Tracker(known, after.modseq, recent_from)

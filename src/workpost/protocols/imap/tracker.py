"""One session's own view of the selected folder (RFC 3501 sections 5.5 and 7.4.1, RFC 7162).

A client counts messages by number. The numbers it knows change only by what we send, and not
while FETCH, STORE or SEARCH run. So a session keeps the list of uids as its client knows it:
messages that others removed stay in it until their EXPUNGE may be sent, new ones enter it with
the EXISTS that names them. The tracker takes what the store says in `apply`, and `sync` returns
what may be told now.

Pure: no I/O, and nothing of the store. Uids are kept four bytes each, or as a range when the
folder has no holes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from workpost.protocols.imap.wire import encoder, sequence

CHUNK = 500

Change = tuple[int, bytes, int]
"""A message whose flags changed: uid, its joined flags now, its modseq now."""


class Tracker:
    """The folder as one client knows it.

    `uids` are the messages at SELECT, ascending; pass a `range` when there are no holes.
    `modseq` is the mailbox's counter up to which the view is complete. Messages from
    `recent_from` on are \\Recent in this session, those that arrive later included.
    """

    __slots__ = ("_changed", "_gone", "_new", "_told", "_uids", "modseq", "recent_from")

    def __init__(
        self, uids: Iterable[int], modseq: int, recent_from: int = sequence.MAX_NUMBER + 1
    ) -> None:
        self._uids: array[int] | range = _compact(uids)
        self._new: list[int] = []
        self._gone: set[int] = set()
        self._changed: dict[int, tuple[bytes, int]] = {}
        self._told: dict[int, int] = {}
        self.modseq = modseq
        self.recent_from = recent_from

    def __len__(self) -> int:
        """How many messages the client counts, those not yet expunged for it included."""
        return len(self._uids)

    @property
    def pending(self) -> bool:
        """Whether there is anything to tell, allowed now or not."""
        return bool(self._new or self._gone or self._changed)

    @property
    def recent(self) -> int:
        """How many messages are \\Recent in this session (RFC 3501 section 2.3.2)."""
        return len(self._uids) - bisect_left(self._uids, self.recent_from)

    @property
    def last_uid(self) -> int:
        """The highest uid the client knows, 0 in an empty folder."""
        return self._uids[-1] if self._uids else 0

    def uid(self, number: int) -> int:
        """Return the uid of message `number` (1..len). Raises IndexError outside of that."""
        if number < 1:
            raise IndexError(number)
        return self._uids[number - 1]

    def number(self, uid: int) -> int:
        """Return the message number of `uid`, 0 when the client does not know it."""
        uids = self._uids
        if isinstance(uids, range):
            return uid - uids.start + 1 if uid in uids else 0
        place = bisect_left(uids, uid)
        return place + 1 if place < len(uids) and uids[place] == uid else 0

    def numbers(self, numbers: sequence.SequenceSet, *, by_uid: bool) -> sequence.Ranges:
        """Return the message numbers that a client's set means; unknown ones are left out."""
        if not by_uid:
            return sequence.clip(sequence.resolve(numbers, len(self._uids)), 1, len(self._uids))
        return sequence.positions(sequence.resolve(numbers, self.last_uid), self._uids)

    def uid_ranges(self, numbers: sequence.Ranges) -> sequence.Ranges:
        """Return, for ranges of message numbers, ranges of uids that hold the same messages.

        Between its ends a range may name uids that no message has, but no other message's.
        """
        uids = self._uids
        return [(uids[low - 1], uids[high - 1]) for low, high in numbers]

    def uids(self, numbers: sequence.Ranges) -> Iterator[int]:
        """Yield the uids of ranges of message numbers, ascending."""
        for low, high in numbers:
            yield from self._uids[low - 1 : high]

    def numbers_of(self, uids: Sequence[int]) -> Sequence[int]:
        """Return the message number of each of `uids` (ascending), 0 for unknown ones."""
        if not uids:
            return ()
        first = self.number(uids[0])
        last = self.number(uids[-1])
        if first and last - first + 1 == len(uids):
            return range(first, last + 1)
        return [self.number(uid) for uid in uids]

    def with_recent(self, uid: int, flags: bytes) -> bytes:
        """Return joined flags with \\Recent where the message has it."""
        if uid < self.recent_from:
            return flags
        return flags + b" \\Recent" if flags else b"\\Recent"

    def is_gone(self, uid: int) -> bool:
        """Return whether a message the client still counts was removed from the folder."""
        return uid in self._gone

    def told(self, states: Iterable[tuple[int, int]]) -> None:
        """Note that the client was told the flags of messages, as (uid, modseq) pairs.

        Call it for what the session's own STORE answered, before `apply` hears of it, so that
        the client does not hear its own change twice.
        """
        for uid, modseq in states:
            if modseq > self.modseq:
                self._told[uid] = modseq
            waiting = self._changed.get(uid)
            if waiting is not None and waiting[1] <= modseq:
                del self._changed[uid]

    def apply(
        self,
        modseq: int,
        *,
        new: Iterable[int] = (),
        gone: Iterable[int] = (),
        changed: Iterable[Change] = (),
    ) -> None:
        """Take what the store says happened up to `modseq`.

        `new` are uids that exist now, ascending, `gone` uids that no longer do, `changed` the
        flags of messages as they are now. What the view has already, or never had, is ignored:
        the same changes may be applied twice.
        """
        highest = self._new[-1] if self._new else self.last_uid
        for uid in new:
            if uid > highest:
                self._new.append(uid)
                highest = uid
        self._apply_gone(gone)
        for uid, flags, changed_at in changed:
            if changed_at <= self._told.get(uid, 0) or uid in self._gone:
                continue
            if self.number(uid):
                self._changed[uid] = (flags, changed_at)
        if modseq > self.modseq:
            self.modseq = modseq
            self._told = {uid: at for uid, at in self._told.items() if at > modseq}

    def sync(self, *, expunge: bool, qresync: bool = False, modseqs: bool = False) -> list[bytes]:
        """Return the answers the client may have now, in pieces of up to CHUNK lines.

        `expunge` says whether message numbers may change: no while FETCH, STORE, SEARCH run
        (their UID forms are free), nor with no command in progress. `qresync` sends VANISHED
        for EXPUNGE; `modseqs` adds MODSEQ to flags (CONDSTORE or QRESYNC enabled).
        """
        answers: list[bytes] = []
        if expunge and self._gone:
            answers += self._expunge(qresync)
        if self._new:
            answers.append(self._exists())
        if self._changed:
            answers += self._flags(modseqs)
        return answers

    def _apply_gone(self, gone: Iterable[int]) -> None:
        gone = [uid for uid in gone if uid not in self._gone]
        if self._new:
            unheard = set(gone)
            self._new = [uid for uid in self._new if uid not in unheard]
        for uid in gone:
            if self.number(uid):
                self._gone.add(uid)
                self._changed.pop(uid, None)

    def _expunge(self, qresync: bool) -> list[bytes]:
        gone = sorted(self._gone)
        self._gone = set()
        if qresync:
            answers = [
                encoder.untagged(b"VANISHED " + sequence.format_numbers(gone[at : at + CHUNK]))
                for at in range(0, len(gone), CHUNK)
            ]
        else:
            # From the last to the first, so that no number moves before its own turn.
            numbers = [self.number(uid) for uid in reversed(gone)]
            answers = [
                b"".join([b"* %d EXPUNGE\r\n" % number for number in numbers[at : at + CHUNK]])
                for at in range(0, len(numbers), CHUNK)
            ]
        self._uids = _without(self._uids, gone)
        return answers

    def _exists(self) -> bytes:
        self._uids = _extended(self._uids, self._new)
        self._new = []
        exists = b"* %d EXISTS\r\n" % len(self._uids)
        return exists + b"* %d RECENT\r\n" % self.recent if self.recent else exists

    def _flags(self, modseqs: bool) -> list[bytes]:
        changed = sorted(self._changed.items())
        self._changed = {}
        template = encoder.FETCH_FLAGS_MODSEQ if modseqs else encoder.FETCH_FLAGS
        rows: list[tuple[int | bytes, ...]] = []
        for uid, (flags, modseq) in changed:
            shown = self.with_recent(uid, flags)
            number = self.number(uid)
            rows.append((number, uid, shown, modseq) if modseqs else (number, uid, shown))
        return [
            encoder.fetch_lines(template, rows[at : at + CHUNK])
            for at in range(0, len(rows), CHUNK)
        ]


def _compact(uids: Iterable[int]) -> array[int] | range:
    if isinstance(uids, range):
        return uids
    packed = array("I", uids)
    if not packed or packed[-1] - packed[0] + 1 == len(packed):
        return range(packed[0], packed[-1] + 1) if packed else range(0)
    return packed


def _extended(uids: array[int] | range, new: list[int]) -> array[int] | range:
    if isinstance(uids, range) and new[-1] - new[0] + 1 == len(new):
        if not uids:
            return range(new[0], new[-1] + 1)
        if uids.stop == new[0]:
            return range(uids.start, new[-1] + 1)
    packed = array("I", uids)
    packed.extend(new)
    return packed


def _without(uids: array[int] | range, gone: list[int]) -> array[int] | range:
    """Copy the runs between the removed ones: few copies of many, in C."""
    kept = array("I")
    place = 0
    for uid in gone:
        at = bisect_left(uids, uid)
        kept.extend(array("I", uids[place:at]))
        place = at + 1
    kept.extend(array("I", uids[place:]))
    return _compact(kept)

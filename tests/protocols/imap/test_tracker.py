"""RFC 3501 sections 5.5 and 7.4.1, RFC 7162: what a client may be told, and when."""

import re
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.protocols.imap.tracker import Tracker
from workpost.protocols.imap.wire.sequence import parse_set, resolve

NOW = {"expunge": True}
LATER = {"expunge": False}


def told(tracker: Tracker, **how: bool) -> bytes:
    return b"".join(tracker.sync(**how))


class TestNumbers:
    @pytest.mark.parametrize("uids", [range(11, 16), [3, 7, 8, 20, 21]])
    def test_numbers_and_uids_map_both_ways(self, uids):
        tracker = Tracker(uids, 1)
        assert len(tracker) == 5
        assert [tracker.number(tracker.uid(n)) for n in range(1, 6)] == [1, 2, 3, 4, 5]
        assert tracker.last_uid == uids[-1]
        assert tracker.number(2) == tracker.number(9) == tracker.number(99) == 0
        assert list(tracker.numbers_of(list(uids))) == [1, 2, 3, 4, 5]
        assert list(tracker.numbers_of([uids[0], 10, uids[4]])) == [1, 0, 5]
        assert list(tracker.numbers_of([])) == []
        for outside in (0, 6):
            with pytest.raises(IndexError):
                tracker.uid(outside)

    def test_an_empty_folder(self):
        tracker = Tracker([], 0)
        assert (len(tracker), tracker.last_uid, tracker.number(1), tracker.recent) == (0, 0, 0, 0)
        assert tracker.numbers(parse_set(b"1:*"), by_uid=True) == []
        assert tracker.numbers(parse_set(b"1:*"), by_uid=False) == []

    def test_sets_are_resolved_against_the_view(self):
        tracker = Tracker([3, 7, 8, 20, 21], 1)
        assert tracker.numbers(parse_set(b"2,4:9"), by_uid=False) == [(2, 2), (4, 5)]
        ranges = tracker.numbers(parse_set(b"1:7,9:20,400:*"), by_uid=True)
        assert ranges == [(1, 2), (4, 5)]
        assert list(tracker.uids(ranges)) == [3, 7, 20, 21]
        assert tracker.uid_ranges(ranges) == [(3, 7), (20, 21)]

    def test_a_folder_without_holes_costs_nothing(self):
        tracker = Tracker([*range(5, 100_005)], 1)
        assert sys.getsizeof(tracker._uids) < 100
        tracker.apply(2, new=[100_005, 100_006])
        assert told(tracker, **LATER) == b"* 100002 EXISTS\r\n"
        assert sys.getsizeof(tracker._uids) < 100
        tracker.apply(3, gone=[5])
        told(tracker, **NOW)
        assert sys.getsizeof(tracker._uids) < 100
        assert tracker.uid(1) == 6

    def test_uids_take_four_bytes(self):
        tracker = Tracker(range(1, 200_001, 2), 1)
        assert sys.getsizeof(Tracker(list(range(1, 200_001, 2)), 1)._uids) < 410_000
        assert sys.getsizeof(tracker._uids) < 100


class TestExpunge:
    def test_rfc3501_7_4_1_not_during_fetch_store_search(self):
        tracker = Tracker(range(1, 6), 1)
        tracker.apply(2, gone=[2, 4], new=[6])
        assert told(tracker, **LATER) == b"* 6 EXISTS\r\n"
        assert tracker.pending
        assert tracker.is_gone(4)
        assert tracker.number(5) == 5
        assert told(tracker, **NOW) == b"* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n"
        assert not tracker.pending
        assert [tracker.uid(n) for n in range(1, len(tracker) + 1)] == [1, 3, 5, 6]

    def test_expunges_come_before_exists(self):
        tracker = Tracker(range(1, 4), 1)
        tracker.apply(2, gone=[1], new=[9])
        assert told(tracker, **NOW) == b"* 1 EXPUNGE\r\n* 3 EXISTS\r\n"

    def test_rfc7162_3_2_10_vanished_for_qresync(self):
        tracker = Tracker(range(404, 430), 1)
        tracker.apply(2, gone=[405, 407, 410, 425])
        assert told(tracker, expunge=True, qresync=True) == b"* VANISHED 405,407,410,425\r\n"
        assert len(tracker) == 22

    def test_messages_never_announced_vanish_silently(self):
        tracker = Tracker(range(1, 4), 1)
        tracker.apply(2, new=[4, 5])
        tracker.apply(3, gone=[5, 99])
        assert told(tracker, **NOW) == b"* 4 EXISTS\r\n"
        assert tracker.uid(4) == 4

    def test_a_hundred_thousand_at_once(self):
        tracker = Tracker([*range(1, 200_001, 2)], 1)
        start = time.process_time()
        tracker.apply(2, gone=range(1, 200_001, 4))
        pieces = tracker.sync(expunge=True)
        assert time.process_time() - start < 0.5
        assert len(pieces) == 100
        assert len(tracker) == 50_000


class TestFlags:
    def test_flags_name_the_uid(self):
        tracker = Tracker([5, 9], 1)
        tracker.apply(2, changed=[(9, b"\\Seen", 2)])
        assert told(tracker, **LATER) == b"* 2 FETCH (UID 9 FLAGS (\\Seen))\r\n"

    def test_rfc7162_3_2_4_modseq_is_named_once_enabled(self):
        tracker = Tracker([5, 9], 1)
        tracker.apply(2, changed=[(9, b"", 2)])
        assert told(tracker, modseqs=True, **NOW) == b"* 2 FETCH (UID 9 FLAGS () MODSEQ (2))\r\n"

    def test_the_last_state_counts(self):
        tracker = Tracker([5], 1)
        tracker.apply(2, changed=[(5, b"\\Seen", 2)])
        tracker.apply(3, changed=[(5, b"", 3)])
        assert told(tracker, **NOW) == b"* 1 FETCH (UID 5 FLAGS ())\r\n"

    def test_of_messages_gone_or_not_yet_known_nothing_is_said(self):
        tracker = Tracker([5, 6], 1)
        tracker.apply(2, changed=[(5, b"\\Seen", 2)])
        tracker.apply(3, gone=[5], new=[7], changed=[(5, b"", 3), (7, b"\\Seen", 3)])
        assert told(tracker, **LATER) == b"* 3 EXISTS\r\n"

    def test_numbers_are_those_after_the_expunge(self):
        tracker = Tracker([5, 6], 1)
        tracker.apply(2, gone=[5], changed=[(6, b"", 2)])
        assert told(tracker, **NOW) == b"* 1 EXPUNGE\r\n* 1 FETCH (UID 6 FLAGS ())\r\n"

    def test_a_session_does_not_hear_its_own_change(self):
        tracker = Tracker([5, 6], 10)
        tracker.told([(5, 12)])
        tracker.apply(12, changed=[(5, b"\\Seen", 12), (6, b"\\Seen", 12)])
        assert told(tracker, **NOW) == b"* 2 FETCH (UID 6 FLAGS (\\Seen))\r\n"
        assert tracker.modseq == 12
        assert not tracker._told

    def test_what_was_told_need_not_be_told_again(self):
        tracker = Tracker([5, 6], 10)
        tracker.apply(12, changed=[(5, b"\\Seen", 12), (6, b"", 11)])
        tracker.told([(5, 13), (6, 10)])
        assert told(tracker, **NOW) == b"* 2 FETCH (UID 6 FLAGS ())\r\n"

    def test_a_later_change_by_another_is_heard(self):
        tracker = Tracker([5], 10)
        tracker.told([(5, 11)])
        tracker.apply(12, changed=[(5, b"\\Flagged", 12)])
        assert told(tracker, **NOW) == b"* 1 FETCH (UID 5 FLAGS (\\Flagged))\r\n"

    def test_the_same_changes_may_be_applied_twice(self):
        tracker = Tracker([5], 10)
        for _ in range(2):
            tracker.apply(11, new=[6], gone=[5])
        assert told(tracker, **NOW) == b"* 1 EXPUNGE\r\n* 1 EXISTS\r\n"
        tracker.apply(11, new=[6], gone=[5])
        assert told(tracker, **NOW) == b""


class TestRecent:
    def test_rfc3501_2_3_2_recent_messages_are_counted_and_marked(self):
        tracker = Tracker([5, 6, 7], 1, recent_from=6)
        assert tracker.recent == 2
        tracker.apply(2, new=[8], changed=[(5, b"", 2), (6, b"", 2), (7, b"\\Seen", 2)])
        assert told(tracker, **NOW) == (
            b"* 4 EXISTS\r\n* 3 RECENT\r\n"
            b"* 1 FETCH (UID 5 FLAGS ())\r\n"
            b"* 2 FETCH (UID 6 FLAGS (\\Recent))\r\n"
            b"* 3 FETCH (UID 7 FLAGS (\\Seen \\Recent))\r\n"
        )


class Client:
    """A mail program that believes every answer."""

    def __init__(self, uids: list[int]) -> None:
        self.messages: list[int | None] = list(uids)
        self.flags: dict[int, bytes] = {}

    def hear(self, pieces: list[bytes], truth: Tracker) -> None:
        for line in b"".join(pieces).splitlines():
            if found := re.fullmatch(rb"\* (\d+) EXPUNGE", line):
                del self.messages[int(found[1]) - 1]
            elif found := re.fullmatch(rb"\* VANISHED (\S+)", line):
                for low, high in resolve(parse_set(found[1]), 1):
                    assert all(uid in self.messages for uid in range(low, high + 1))
                    self.messages = [u for u in self.messages if not low <= (u or 0) <= high]
            elif found := re.fullmatch(rb"\* (\d+) EXISTS", line):
                count = int(found[1])
                assert count > len(self.messages)
                # A real client asks for the uids of what is new; so does this one.
                known = len(self.messages)
                self.messages += [truth.uid(n) for n in range(known + 1, count + 1)]
            elif found := re.fullmatch(rb"\* (\d+) FETCH \(UID (\d+) FLAGS \((.*)\)\)", line):
                assert self.messages[int(found[1]) - 1] == int(found[2])
                self.flags[int(found[2])] = found[3]
            else:
                raise AssertionError(line)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.integers(1, 4), st.integers(0, 3)),
        st.tuples(st.just("gone"), st.lists(st.integers(0, 30), min_size=1, max_size=6)),
        st.tuples(st.just("flag"), st.lists(st.integers(0, 30), max_size=4)),
        st.tuples(st.just("hear")),
        st.tuples(st.just("sync"), st.booleans()),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(1, 20)), STEPS, st.booleans())
def test_the_client_always_ends_with_what_the_server_has(start, steps, qresync):
    server = dict.fromkeys(sorted(start), b"")
    modseq, uidnext = 1, 21
    tracker = Tracker(server, modseq)
    client = Client(list(server))
    changed_at: dict[int, int] = {}
    gone_at: dict[int, int] = {}
    born_at: dict[int, int] = {}

    def hear() -> None:
        since = tracker.modseq
        tracker.apply(
            modseq,
            new=[uid for uid in server if born_at.get(uid, 0) > since],
            gone=[uid for uid, at in gone_at.items() if at > since],
            changed=[
                (u, server[u], at) for u, at in changed_at.items() if at > since and u in server
            ],
        )

    for step in [*steps, ("hear",), ("sync", True)]:
        match step:
            case ("new", how_many, hole):
                modseq += 1
                uidnext += hole
                for _ in range(how_many):
                    server[uidnext] = b""
                    born_at[uidnext] = modseq
                    uidnext += 1
            case ("gone", places):
                modseq += 1
                for uid in {list(server)[at % len(server)] for at in places if server}:
                    del server[uid]
                    gone_at[uid] = modseq
            case ("flag", places):
                modseq += 1
                for uid in {list(server)[at % len(server)] for at in places if server}:
                    server[uid] = b"\\Seen" if not server[uid] else b""
                    changed_at[uid] = modseq
            case ("hear",):
                hear()
            case ("sync", expunge):
                before = list(client.messages)
                client.hear(tracker.sync(expunge=expunge, qresync=qresync), tracker)
                if not expunge:
                    assert client.messages[: len(before)] == before
        assert len(tracker) == len(client.messages)
        assert [tracker.number(uid) for uid in client.messages if uid] == list(
            range(1, len(tracker) + 1)
        )
    assert client.messages == list(server)
    for uid, flags in client.flags.items():
        assert uid not in server or flags == server[uid]

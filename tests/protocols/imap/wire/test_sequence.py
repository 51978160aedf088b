"""RFC 3501 section 9, sequence-set: parsing, resolution, writing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.imap.wire import sequence
from workpost.protocols.imap.wire.errors import WireError


@pytest.mark.parametrize(
    ("text", "parsed", "of_ten"),
    [
        (b"2,4:7,9,12:*", ((2, 2), (4, 7), (9, 9), (12, 0)), [(2, 2), (4, 7), (9, 12)]),
        (b"*:4,5:7", ((4, 0), (5, 7)), [(4, 10)]),
        (b"1:*", ((1, 0),), [(1, 10)]),
        (b"*", ((0, 0),), [(10, 10)]),
        (b"*:*", ((0, 0),), [(10, 10)]),
        (b"5:3", ((3, 5),), [(3, 5)]),
        (b"3,1,2,2:3", ((3, 3), (1, 1), (2, 2), (2, 3)), [(1, 3)]),
        (b"1:9,2:3", ((1, 9), (2, 3)), [(1, 9)]),
        (b"1:4294967295", ((1, 4294967295),), [(1, 4294967295)]),
    ],
)
def test_sets(text, parsed, of_ten):
    assert sequence.parse_set(text) == parsed
    assert sequence.resolve(parsed, 10) == of_ten


@pytest.mark.parametrize(
    "text", [b"", b"0", b"1,", b"a", b"1:", b":1", b"1:2:3", b"4294967296", b"00000000001", b"1:x"]
)
def test_wrong_sets(text):
    with pytest.raises(WireError):
        sequence.parse_set(text)


def test_too_many_ranges_are_refused():
    sequence.parse_set(b",".join([b"1"] * sequence.MAX_RANGES))
    with pytest.raises(WireError):
        sequence.parse_set(b",".join([b"1"] * 100_000))


def test_nothing_is_in_an_empty_folder():
    assert sequence.resolve(((1, 0),), 0) == []


def test_a_star_beyond_the_top_is_the_last_message():
    """RFC 3501 6.4.8: UID 559:* always includes the last message."""
    assert sequence.positions(sequence.resolve(((559, 0),), 100), [7, 100]) == [(2, 2)]


def test_huge_ranges_cost_what_the_folder_has():
    uids = range(5, 100_005)
    start = time.process_time()
    assert sequence.positions([(1, 4294967295)], uids) == [(1, 100_000)]
    assert time.process_time() - start < 1


def test_clip_count_members():
    ranges = sequence.clip([(1, 3), (5, 5), (8, 20), (30, 40)], 2, 10)
    assert ranges == [(2, 3), (5, 5), (8, 10)]
    assert sequence.count(ranges) == 6
    assert list(sequence.members(ranges)) == [2, 3, 5, 8, 9, 10]


def test_order_is_kept_for_copyuid():
    assert sequence.format_numbers([304, 319, 320, 1]) == b"304,319:320,1"
    assert sequence.format_numbers([]) == b""


NUMBERS = st.sets(st.integers(1, 60) | st.integers(1, 2**32 - 1), max_size=40)


@given(NUMBERS.filter(bool))
def test_written_sets_parse_to_the_same_numbers(numbers):
    text = sequence.format_numbers(sorted(numbers))
    ranges = sequence.resolve(sequence.parse_set(text), max(numbers))
    assert set(sequence.members(ranges)) == numbers
    assert sequence.format_ranges(ranges) == text


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50))), st.sets(st.integers(1, 60)))
def test_positions_are_those_of_a_plain_search(pairs, uids):
    pairs = [(min(pair), max(pair)) for pair in pairs]
    ranges = sequence.merge(pairs)
    wanted = {n for low, high in pairs for n in range(low, high + 1)}
    ascending = sorted(uids)
    expected = [place for place, uid in enumerate(ascending, 1) if uid in wanted]
    assert list(sequence.members(sequence.positions(ranges, ascending))) == expected
    assert all(sequence.contains(ranges, n) == (n in wanted) for n in range(1, 61))


@given(st.binary(max_size=40) | st.from_regex(rb"[0-9:*,]{0,30}", fullmatch=True))
def test_any_bytes_parse_or_raise_wire_error(text):
    try:
        sequence.resolve(sequence.parse_set(text), 100)
    except WireError:
        pass

"""Sequence sets (RFC 3501 section 9, `sequence-set`): parsing, resolution, compact writing.

A set is kept as the client wrote it, as pairs; resolution turns it into ascending, disjoint
ranges. The cost follows the number of ranges and of messages, never the numbers named:
`1:4294967295` is one range.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from workpost.protocols.imap.wire.errors import WireError

STAR = 0
MAX_NUMBER = 2**32 - 1
MAX_RANGES = 16_384

SequenceSet = tuple[tuple[int, int], ...]
"""Pairs (low, high), both inclusive; STAR stands for `*` and is only found as the high end."""

Ranges = list[tuple[int, int]]
"""Pairs (low, high), both inclusive, ascending, neither overlapping nor touching."""


def parse_set(text: bytes) -> SequenceSet:
    """Parse `1:5,7,9:*`. Raises WireError on bad syntax or more than MAX_RANGES elements."""
    elements = text.split(b",", MAX_RANGES)
    if len(elements) > MAX_RANGES:
        raise WireError("Too many ranges in sequence set")
    return tuple([_element(element) for element in elements])


def resolve(numbers: SequenceSet, top: int) -> Ranges:
    """Return the numbers of a set as ranges, `*` standing for `top`; empty when `top` is 0.

    Ranges may reach beyond `top`; use `clip` where that matters.
    """
    if top == 0:
        return []
    pairs = []
    for low, high in numbers:
        if low == STAR:
            pairs.append((top, top))
        elif high == STAR:
            pairs.append((low, top) if low <= top else (top, low))
        else:
            pairs.append((low, high))
    return merge(pairs)


def merge(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Return pairs in any order, overlapping or not, as ranges."""
    merged: Ranges = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def clip(ranges: Ranges, low: int, high: int) -> Ranges:
    """Return what of `ranges` lies within low..high, both inclusive."""
    return [(max(a, low), min(b, high)) for a, b in ranges if a <= high and b >= low]


def positions(ranges: Ranges, ascending: Sequence[int]) -> Ranges:
    """Return the 1-based positions in `ascending` of the numbers that `ranges` hold."""
    found = []
    for low, high in ranges:
        first = bisect_left(ascending, low)
        after = bisect_right(ascending, high, first)
        if after > first:
            found.append((first + 1, after))
    return merge(found)


def count(ranges: Ranges) -> int:
    """Return how many numbers the ranges hold."""
    return sum(high - low + 1 for low, high in ranges)


def members(ranges: Ranges) -> Iterator[int]:
    """Yield every number of the ranges, ascending. Clip them before."""
    for low, high in ranges:
        yield from range(low, high + 1)


def contains(ranges: Ranges, number: int) -> bool:
    """Return whether `number` lies within one of the ranges."""
    index = bisect_right(ranges, (number, MAX_NUMBER * 2))
    return index > 0 and ranges[index - 1][1] >= number


def ranges_of(numbers: Iterable[int]) -> Ranges:
    """Return ascending, distinct positive numbers as ranges.

    Numbers in another order keep it: only runs that ascend by one are joined, which is what
    COPYUID needs (RFC 4315 section 3).
    """
    ranges: Ranges = []
    low = high = 0
    for number in numbers:
        if high and number == high + 1:
            high = number
            continue
        if high:
            ranges.append((low, high))
        low = high = number
    if high:
        ranges.append((low, high))
    return ranges


def format_ranges(ranges: Ranges) -> bytes:
    """Write ranges compactly: `1:5,7`. The empty list gives empty bytes, which is no set."""
    return b",".join(
        [b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges]
    )


def format_numbers(numbers: Iterable[int]) -> bytes:
    """Write positive numbers compactly and in their order: 1 2 3 5 gives `1:3,5`."""
    return format_ranges(ranges_of(numbers))


def _element(element: bytes) -> tuple[int, int]:
    first, colon, second = element.partition(b":")
    if not colon:
        number = _number(first)
        return number, number
    low, high = _number(first), _number(second)
    if low == STAR:
        return high, low
    return (high, low) if low > high != STAR else (low, high)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if not text.isdigit() or len(text) > 10:
        raise WireError("Invalid sequence set")
    number = int(text)
    if not 0 < number <= MAX_NUMBER:
        raise WireError("Number in sequence set out of range")
    return number

"""The flags of an item, as bits of one integer, and its keywords. Pure.

Flags belong to the mailbox and are shared by all who open it (decisions 13). Keywords are compared
without regard to case and kept as the client wrote them first (RFC 3501 2.3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DELETED = 8
DRAFT = 16
KEYWORDS = 32
"""Internal: the item has keywords, in `item_tag`."""

SYSTEM = SEEN | ANSWERED | FLAGGED | DELETED | DRAFT
MAX_KEYWORDS = 64
MAX_KEYWORD = 64

Action = Literal["set", "add", "remove"]


def count_unread(flags: Iterable[int]) -> int:
    """How many of some items' flags are without \\Seen."""
    return sum(1 for each in flags if not each & SEEN)


def change_bits(before: int, action: Action, bits: int) -> int:
    """System flags after a STORE action; the internal bit is left to the caller."""
    bits &= SYSTEM
    if action == "add":
        return before | bits
    if action == "remove":
        return before & ~bits
    return (before & ~SYSTEM) | bits


def change_keywords(
    before: Sequence[bytes], action: Action, keywords: Iterable[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Keywords (to insert, to delete) that a STORE action needs."""
    have = {keyword.lower(): keyword for keyword in before}
    given = {keyword.lower(): keyword for keyword in keywords}
    if action == "remove":
        return [], [have[folded] for folded in given if folded in have]
    insert = [keyword for folded, keyword in given.items() if folded not in have]
    if action == "add":
        return insert, []
    return insert, [keyword for folded, keyword in have.items() if folded not in given]

"""The comparison that makes lost hints harmless: every 2 s, one query per kind and 500 keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from workpost.store.changes.hub import ANY
from workpost.store.database.unit import Reader

T = TypeVar("T", int, str)

EVERY = 2.0
"""Seconds between comparisons."""
PAGE = 500


def mailbox_values(tx: Reader, *, keys: list[str]) -> list[tuple[str, int]]:
    """(mailbox, modseq) of each watched mailbox that exists."""
    found = []
    for some in _padded([int(key) for key in keys]):
        marks = ", ".join("?" * len(some))
        found += tx.rows(f"SELECT id, modseq FROM mailbox WHERE id IN ({marks})", *some)
    return [(str(mailbox), modseq) for mailbox, modseq in found]


def policy_values(tx: Reader, *, keys: list[str]) -> list[tuple[str, int]]:
    """(organization, policy version); under the key of all, the sum over all organizations."""
    found: list[tuple[str, int]] = []
    named = [key for key in keys if key != ANY]
    for some in _padded(named):
        marks = ", ".join("?" * len(some))
        found += tx.rows(
            f"SELECT id, policy_version FROM organization WHERE id IN ({marks})", *some
        )
    if len(named) != len(keys):
        row = tx.row("SELECT COALESCE(SUM(policy_version), 0) FROM organization")
        found.append((ANY, int(row[0]) if row else 0))
    return found


def _padded(keys: list[T]) -> Iterator[list[T]]:
    """Keys in pages of a few sizes, filled up with the last one, so that few statements exist."""
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        size = 8
        while size < len(page):
            size *= 8
        yield page + page[-1:] * (min(size, PAGE) - len(page))

"""Rows of `suppression`: addresses elsewhere that an organization sends nothing to.

They are found by a keyed tag of the address; the address itself is sealed under the
organization's key. `until` is 0 for those that stay until somebody removes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class NewSuppression(msgspec.Struct, frozen=True):
    """An address made ready before the transaction."""

    org: str
    tag: bytes
    until: int
    gen: int
    sealed: bytes


class SuppressionRow(msgspec.Struct, frozen=True):
    """A suppressed address as it is stored."""

    tag: bytes
    since: int
    until: int
    gen: int
    sealed: bytes


def put_suppression(tx: Tx, new: NewSuppression) -> None:
    """Add an address, or replace what was said of it."""
    tx.run(
        "INSERT INTO suppression (org, tag, since, until, gen, sealed) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (org, tag) DO UPDATE SET since = excluded.since, until = excluded.until,"
        " gen = excluded.gen, sealed = excluded.sealed",
        new.org,
        new.tag,
        tx.env.now(),
        new.until,
        new.gen,
        new.sealed,
    )


@quick
def find_suppressed(
    tx: Reader, *, org: str, tags: Sequence[bytes], now: int
) -> list[SuppressionRow]:
    """Those of the tags that are suppressed at `now`."""
    if not tags:
        return []
    rows = tx.rows(
        "SELECT tag, since, until, gen, sealed FROM suppression WHERE org = ?"
        f" AND tag IN ({', '.join('?' * len(tags))}) AND (until = 0 OR until > ?)",
        org,
        *tags,
        now,
    )
    return [SuppressionRow(*row) for row in rows]


def page_suppressions(tx: Reader, *, org: str, after: bytes, limit: int) -> list[SuppressionRow]:
    """An organization's addresses after a tag, by tag."""
    rows = tx.rows(
        "SELECT tag, since, until, gen, sealed FROM suppression WHERE org = ? AND tag > ?"
        " ORDER BY tag LIMIT ?",
        org,
        after,
        limit,
    )
    return [SuppressionRow(*row) for row in rows]


def delete_suppression(tx: Tx, *, org: str, tag: bytes) -> bool:
    """Remove an address; tells whether it was there."""
    return bool(tx.run("DELETE FROM suppression WHERE org = ? AND tag = ?", org, tag))


def expire_suppressions(tx: Tx, *, now: int, limit: int) -> int:
    """Remove up to `limit` addresses whose time is over, of whatever organization."""
    return tx.run(
        "DELETE FROM suppression WHERE (org, tag) IN (SELECT org, tag FROM suppression"
        " WHERE until > 0 AND until <= ? LIMIT ?)",
        now,
        limit,
    )

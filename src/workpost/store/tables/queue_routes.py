"""Where queued mail goes: what is due for elsewhere, and destinations in trouble (`queue_route`).

A destination in trouble is left alone until a time; whoever comes first after it tries one delivery
as a probe, and everybody else's due rows are put off without being opened.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Tx
from workpost.store.tables.queue_kinds import ELSEWHERE, FUNCTION, OUT

_SINCE = "COALESCE(q.hold_until, q.created)"
"""What the age of an entry counts from; of what is due it is never later than now."""


class Trouble(msgspec.Struct, frozen=True):
    """A destination that was not reached, `since` and `until` by the database's clock."""

    route: str
    since: int
    until: int
    failures: int
    status: str
    reason: str


def next_for_functions(tx: Reader, *, now: int) -> int | None:
    """When the next row becomes due after `now` that waits for a function; None: there is none."""
    row = tx.row(
        f"SELECT due FROM queue_rcpt WHERE state = 'waiting' AND {FUNCTION} AND due > ?"
        " ORDER BY due LIMIT 1",
        now,
    )
    return int(row[0]) if row is not None else None


def has_expired(tx: Reader, *, now: int, functions: bool = False) -> bool:
    """Whether somebody let a lease on a row for elsewhere, or for `functions`, run out."""
    row = tx.row(
        "SELECT 1 FROM queue_rcpt WHERE state = 'leased' AND lease_until <= ?"
        f" AND {ELSEWHERE} AND {FUNCTION if functions else OUT} LIMIT 1",
        now,
    )
    return row is not None


def release_expired(tx: Tx, *, now: int, limit: int, functions: bool = False) -> int:
    """Let rows for elsewhere, or for `functions`, be due whose lease ran out; returns how many."""
    skip = " FOR UPDATE SKIP LOCKED" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT queue, n FROM queue_rcpt WHERE state = 'leased' AND lease_until <= ?"
        f" AND {ELSEWHERE} AND {FUNCTION if functions else OUT}"
        f" ORDER BY lease_until LIMIT ?{skip}",
        now,
        limit,
    )
    tx.many(
        "UPDATE queue_rcpt SET state = 'waiting', due = ?, lease_until = 0, fence = 0"
        " WHERE queue = ? AND n = ?",
        [(now, row[0], row[1]) for row in rows],
    )
    return len(rows)


def next_due(tx: Reader, *, now: int) -> int | None:
    """When the next row for elsewhere becomes due after `now`; None when nothing waits for that."""
    row = tx.row(
        f"SELECT due FROM queue_rcpt WHERE state = 'waiting' AND {ELSEWHERE} AND {OUT} AND due > ?"
        " ORDER BY due LIMIT 1",
        now,
    )
    return int(row[0]) if row is not None else None


def get_trouble(tx: Reader, *, route: str) -> Trouble | None:
    """The trouble of a destination, None when there is none."""
    row = tx.row(
        "SELECT route, since, until, failures, status, reason FROM queue_route WHERE route = ?",
        route,
    )
    return Trouble(*row) if row is not None else None


def lock_troubles(tx: Tx, *, routes: Sequence[str]) -> dict[str, Trouble]:
    """The troubles of these destinations, which stay as they are until the transaction ends.

    Whoever finds a destination back waits for those who put off what is due there, and hastens
    that as well.
    """
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT route, since, until, failures, status, reason FROM queue_route"
        f" WHERE route IN ({', '.join('?' * len(routes))}) ORDER BY route{lock}",
        *routes,
    )
    return {str(row[0]): Trouble(*row) for row in rows}


def list_troubles(tx: Reader, *, limit: int) -> list[Trouble]:
    """Destinations in trouble, those of longest standing first."""
    rows = tx.rows(
        "SELECT route, since, until, failures, status, reason FROM queue_route"
        " ORDER BY since, route LIMIT ?",
        limit,
    )
    return [Trouble(*row) for row in rows]


def begin_probe(tx: Tx, *, route: str, now: int, until: int) -> bool:
    """Be the one who tries a destination in trouble; False while it is to be left alone."""
    return bool(
        tx.run("UPDATE queue_route SET until = ? WHERE route = ? AND until <= ?", until, route, now)
    )


def put_trouble(tx: Tx, trouble: Trouble) -> None:
    """Note that a destination was not reached; the beginning of the trouble stays."""
    tx.run(
        "INSERT INTO queue_route (route, since, until, failures, status, reason)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (route) DO UPDATE SET until = excluded.until,"
        " failures = excluded.failures, status = excluded.status, reason = excluded.reason",
        *msgspec.structs.astuple(trouble),
    )


def clear_trouble(tx: Tx, *, route: str) -> bool:
    """Forget a destination's trouble; tells whether there was one."""
    return bool(tx.run("DELETE FROM queue_route WHERE route = ?", route))


def forget_troubles(tx: Tx, *, before: int, limit: int) -> int:
    """Forget destinations that nobody has tried since, and nothing waits for; returns how many."""
    return tx.run(
        "DELETE FROM queue_route WHERE route IN (SELECT t.route FROM queue_route t"
        " WHERE t.until <= ? AND NOT EXISTS"
        " (SELECT 1 FROM queue_rcpt r WHERE r.route = t.route) LIMIT ?)",
        before,
        limit,
    )


def put_off(
    tx: Tx, *, route: str, now: int, dues: Sequence[int], untold: int, created_after: int
) -> int:
    """Let the most overdue rows of a route be due at `dues` instead; returns how many.

    Left to be settled one by one are rows of entries from before `created_after`, and rows of
    entries from before `untold` whose sender was not told that they are late. An entry that was
    held for its sender is from when it was to go.
    """
    skip = " FOR UPDATE OF r SKIP LOCKED" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT r.queue, r.n FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
        " WHERE r.route = ? AND r.state = 'waiting' AND r.due <= ?"
        f" AND {_SINCE} > ? AND (r.noticed = 1 OR {_SINCE} > ?) ORDER BY r.due LIMIT ?{skip}",
        route,
        now,
        created_after,
        untold,
        len(dues),
    )
    tx.many(
        "UPDATE queue_rcpt SET due = ? WHERE queue = ? AND n = ?",
        [(due, row[0], row[1]) for due, row in zip(dues, rows, strict=False)],
    )
    return len(rows)


def due_on_route(tx: Reader, *, route: str, now: int, limit: int) -> list[int]:
    """The entries of the most overdue rows of one route."""
    rows = tx.rows(
        "SELECT queue FROM queue_rcpt WHERE route = ? AND state = 'waiting' AND due <= ?"
        " ORDER BY due LIMIT ?",
        route,
        now,
        limit,
    )
    return list(dict.fromkeys(int(row[0]) for row in rows))


def overdue_on_route(
    tx: Reader, *, route: str, now: int, created_before: int, untold: int, limit: int
) -> list[int]:
    """Entries of due rows that `put_off` leaves, of one route."""
    rows = tx.rows(
        "SELECT r.queue FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
        " WHERE r.route = ? AND r.state = 'waiting' AND r.due <= ?"
        f" AND ({_SINCE} <= ? OR (r.noticed = 0 AND {_SINCE} <= ?)) ORDER BY r.due LIMIT ?",
        route,
        now,
        created_before,
        untold,
        limit,
    )
    return list(dict.fromkeys(int(row[0]) for row in rows))


def hasten(tx: Tx, *, route: str, now: int, limit: int) -> int:
    """Make rows of a route that were tried or put off due now, at most `limit`; returns how many.

    Mail that its sender may still take back stays as it is.
    """
    lock = " FOR UPDATE OF r" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        "SELECT r.queue, r.n FROM queue_rcpt r JOIN queue q ON q.id = r.queue"
        " WHERE r.route = ? AND r.state = 'waiting' AND r.due > ?"
        f" AND (q.hold_until IS NULL OR q.hold_until <= ?) ORDER BY r.due LIMIT ?{lock}",
        route,
        now,
        now,
        limit,
    )
    tx.many(
        "UPDATE queue_rcpt SET due = ? WHERE queue = ? AND n = ?",
        [(now, row[0], row[1]) for row in rows],
    )
    return len(rows)

"""Rows of `report_tally`: what is to be told to other domains (RFC 9990, RFC 8460).

They belong to the installation, not to an organization: a domain hears of all mail that came here
in its name, and of all sessions with its servers. `day` counts days (UTC) since the epoch.
"""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx, command, quick

DMARC = "dmarc"
TLS = "tls"

MOST = 100_000
"""Rows of one kind and day; what is seen for the first time after that is not told."""
MOST_OF_FAMILY = 20_000
"""Of these, rows of one family, about: names below a domain cost its owner nothing."""
MOST_OF_DOMAIN = 5_000
"""Of these, rows of one domain, about: a report has no more."""

Row = tuple[int, str, bytes, bytes, int]
"""Day, domain, hash of what was seen, what was seen, how often."""


def family_of(domain: str) -> str:
    """The last two labels of a domain, under which strangers cannot have many names for nothing.

    Not an organizational domain, which DNS of its owner's has a say in.
    """
    return ".".join(domain.split(".")[-2:])


@command
def add_tallies(tx: Tx, *, kind: str, rows: list[Row]) -> int:
    """Add counts; returns how many rows found no room and are not told."""
    rooms = _Rooms(tx, kind)
    left_out = 0
    for day, domain, hash, seen, count in rows:
        key = (kind, day, family_of(domain), domain, hash)
        added = tx.run(
            "UPDATE report_tally SET count = count + ?"
            " WHERE kind = ? AND day = ? AND family = ? AND domain = ? AND hash = ?",
            count,
            *key,
        )
        if added:
            continue
        if not rooms.take(day, domain):
            left_out += 1
            continue
        tx.run(
            "INSERT INTO report_tally (kind, day, family, domain, hash, seen, count)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, day, family, domain, hash)"
            " DO UPDATE SET count = report_tally.count + excluded.count",
            *key,
            seen,
            count,
        )
    return left_out


class _Rooms:
    """The rows that are still to be had, of the days, families and domains of one transaction."""

    def __init__(self, tx: Reader, kind: str) -> None:
        self._tx = tx
        self._kind = kind
        self._left: dict[tuple[int | str, ...], int] = {}

    def take(self, day: int, domain: str) -> bool:
        """Take one row for a domain; False, and nothing taken, where there is none."""
        family = family_of(domain)
        bounds: list[tuple[tuple[int | str, ...], int]] = [
            ((day,), MOST),
            ((day, family), MOST_OF_FAMILY),
            ((day, family, domain), MOST_OF_DOMAIN),
        ]
        for place, most in bounds:
            if place not in self._left:
                self._left[place] = most - self._count(place, most)
            if self._left[place] <= 0:
                return False
        for place, _ in bounds:
            self._left[place] -= 1
        return True

    def _count(self, place: tuple[int | str, ...], limit: int) -> int:
        names = ("day", "family", "domain")[: len(place)]
        row = self._tx.row(
            "SELECT count(*) FROM (SELECT 1 FROM report_tally WHERE kind = ?"
            f"{''.join(f' AND {name} = ?' for name in names)} LIMIT ?) AS counted",
            self._kind,
            *place,
            limit,
        )
        assert row is not None
        return int(row[0])


@quick
def list_told(
    tx: Reader, *, kind: str, before: int, after: tuple[int, str], limit: int
) -> list[tuple[int, str]]:
    """Days before `before` and domains with something to tell, after (day, domain), in order.

    Domains of one family lie together, families and domains by name.
    """
    found: list[tuple[int, str]] = []
    day, domain = after
    while len(found) < limit:
        # One lookup for each: a domain may have many rows.
        row = tx.row(
            "SELECT day, domain FROM report_tally"
            " WHERE kind = ? AND (day, family, domain) > (?, ?, ?) AND day < ?"
            " ORDER BY day, family, domain LIMIT 1",
            kind,
            day,
            family_of(domain),
            domain,
            before,
        )
        if row is None:
            break
        day, domain = int(row[0]), str(row[1])
        found.append((day, domain))
    return found


def list_seen(
    tx: Reader, *, kind: str, day: int, domain: str, limit: int
) -> list[tuple[bytes, int]]:
    """What was seen of a domain on a day and how often, most often first."""
    rows = tx.rows(
        "SELECT seen, count FROM report_tally"
        " WHERE kind = ? AND day = ? AND family = ? AND domain = ?"
        " ORDER BY count DESC, hash LIMIT ?",
        kind,
        day,
        family_of(domain),
        domain,
        limit,
    )
    return [(bytes(row[0]), int(row[1])) for row in rows]


def delete_told(tx: Tx, *, kind: str, day: int, domain: str) -> None:
    """Remove the rows of a domain and a day."""
    tx.run(
        "DELETE FROM report_tally WHERE kind = ? AND day = ? AND family = ? AND domain = ?",
        kind,
        day,
        family_of(domain),
        domain,
    )


def delete_day(tx: Tx, *, kind: str, day: int, limit: int) -> int:
    """Remove up to `limit` rows of a day and of those before it; returns how many."""
    return tx.run(
        "DELETE FROM report_tally WHERE (kind, day, family, domain, hash) IN"
        " (SELECT kind, day, family, domain, hash FROM report_tally"
        " WHERE kind = ? AND day <= ? LIMIT ?)",
        kind,
        day,
        limit,
    )

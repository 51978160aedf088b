"""Rows of `dmarc_tally`: what is to be told to domains about mail in their name (RFC 9990).

They belong to the installation, not to an organization: whoever published a record hears of all
mail that came here. `day` counts days (UTC) since the epoch.
"""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx, command, quick

MOST = 100_000
"""Rows of one day; what is seen for the first time after that is not told."""
MOST_OF_DOMAIN = 5_000
"""Of these, rows of one domain, about: none fills the day, and a report has no more."""


@command
def add_tallies(tx: Tx, *, rows: list[tuple[int, str, bytes, bytes, int]]) -> None:
    """Add counts: (day, domain, hash of what was seen, what was seen, how often)."""
    room: dict[tuple[int, str], int] = {}
    for day, domain, hash, seen, count in rows:
        added = tx.run(
            "UPDATE dmarc_tally SET count = count + ? WHERE day = ? AND domain = ? AND hash = ?",
            count,
            day,
            domain,
            hash,
        )
        if added:
            continue
        of_day, of_domain = (day, ""), (day, domain)
        if of_day not in room:
            room[of_day] = MOST - _count(tx, "day = ?", day, limit=MOST)
        if of_domain not in room:
            own = _count(tx, "day = ? AND domain = ?", day, domain, limit=MOST_OF_DOMAIN)
            room[of_domain] = MOST_OF_DOMAIN - own
        if min(room[of_day], room[of_domain]) > 0:
            room[of_day] -= 1
            room[of_domain] -= 1
            tx.run(
                "INSERT INTO dmarc_tally (day, domain, hash, seen, count) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (day, domain, hash)"
                " DO UPDATE SET count = dmarc_tally.count + excluded.count",
                day,
                domain,
                hash,
                seen,
                count,
            )


def _count(tx: Reader, which: str, *args: int | str, limit: int) -> int:
    row = tx.row(
        f"SELECT count(*) FROM (SELECT 1 FROM dmarc_tally WHERE {which} LIMIT ?) AS counted",
        *args,
        limit,
    )
    assert row is not None
    return int(row[0])


@quick
def list_told(
    tx: Reader, *, before: int, after: tuple[int, str], limit: int
) -> list[tuple[int, str]]:
    """Days before `before` and domains with something to tell, after (day, domain), in order."""
    found: list[tuple[int, str]] = []
    day, domain = after
    while len(found) < limit:
        # One lookup for each: a domain may have many rows.
        row = tx.row(
            "SELECT day, domain FROM dmarc_tally WHERE (day, domain) > (?, ?) AND day < ?"
            " ORDER BY day, domain LIMIT 1",
            day,
            domain,
            before,
        )
        if row is None:
            break
        day, domain = int(row[0]), str(row[1])
        found.append((day, domain))
    return found


def list_seen(tx: Reader, *, day: int, domain: str, limit: int) -> list[tuple[bytes, int]]:
    """What was seen of a domain on a day and how often, most often first."""
    rows = tx.rows(
        "SELECT seen, count FROM dmarc_tally WHERE day = ? AND domain = ?"
        " ORDER BY count DESC, hash LIMIT ?",
        day,
        domain,
        limit,
    )
    return [(bytes(row[0]), int(row[1])) for row in rows]


def delete_told(tx: Tx, *, day: int, domain: str) -> None:
    """Remove the rows of a domain and a day."""
    tx.run("DELETE FROM dmarc_tally WHERE day = ? AND domain = ?", day, domain)


def delete_day(tx: Tx, *, day: int, limit: int) -> int:
    """Remove up to `limit` rows of a day and of those before it; returns how many."""
    return tx.run(
        "DELETE FROM dmarc_tally WHERE (day, domain, hash) IN (SELECT day, domain, hash"
        " FROM dmarc_tally WHERE day <= ? LIMIT ?)",
        day,
        limit,
    )

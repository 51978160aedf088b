"""Rows of `dkim_key`: the keys by which a mail domain's messages are signed."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

RSA = "rsa"
ED25519 = "ed25519"

WAITING = "WAITING"
ACTIVE = "ACTIVE"
RETIRING = "RETIRING"


class DkimKeyRow(msgspec.Struct, frozen=True):
    """One key; `algorithm` as in the `k=` of its record, `public` as in the `p=`.

    `state` WAITING until the DNS shows it, ACTIVE while it signs, RETIRING while it is only shown:
    its private part is gone then, `sealed` empty. `since` is when it came into its state, `due`
    when it is looked at next: None before its domain is verified; for an ACTIVE key when its age
    began to count.
    """

    org: str
    domain: str
    selector: str
    algorithm: str
    public: str
    sealed: bytes
    gen: int
    state: str = WAITING
    since: int = 0
    due: int | None = None


_COLUMNS = "org, domain, selector, algorithm, public, sealed, gen, state, since, due"


def insert_key(tx: Tx, row: DkimKeyRow) -> bool:
    """Insert a key, since now in its state, unless the domain has one of this selector.

    Tells whether it was inserted.
    """
    now = tx.env.now()
    return bool(
        tx.run(
            f"INSERT INTO dkim_key ({_COLUMNS}, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            *msgspec.structs.astuple(msgspec.structs.replace(row, since=now)),
            now,
        )
    )


@quick
def list_keys(tx: Reader, *, org: str, domain: str) -> list[DkimKeyRow]:
    """The keys of a domain, by selector."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM dkim_key WHERE org = ? AND domain = ? ORDER BY selector",
        org,
        domain,
    )
    return [DkimKeyRow(*row) for row in rows]


def set_state(tx: Tx, *, org: str, domain: str, selector: str, state: str, due: int | None) -> None:
    """Bring a key into a state, since now; one that signs no more loses its private part."""
    gone = ", sealed = ?" if state == RETIRING else ""
    tx.run(
        f"UPDATE dkim_key SET state = ?, since = ?, due = ?{gone}"
        " WHERE org = ? AND domain = ? AND selector = ?",
        state,
        tx.env.now(),
        due,
        *([b""] if gone else []),
        org,
        domain,
        selector,
    )


def set_due(tx: Tx, *, org: str, domain: str, selector: str, due: int) -> None:
    """Look at a key at another time."""
    tx.run(
        "UPDATE dkim_key SET due = ? WHERE org = ? AND domain = ? AND selector = ?",
        due,
        org,
        domain,
        selector,
    )


def begin_looking(tx: Tx, *, org: str, domain: str) -> None:
    """Look for a verified domain's keys that nobody has looked for yet."""
    tx.run(
        "UPDATE dkim_key SET due = ?"
        " WHERE org = ? AND domain = ? AND state = 'WAITING' AND due IS NULL",
        tx.env.now(),
        org,
        domain,
    )


def delete_key(tx: Tx, *, org: str, domain: str, selector: str) -> None:
    """Delete a key; its selector is free."""
    tx.run(
        "DELETE FROM dkim_key WHERE org = ? AND domain = ? AND selector = ?", org, domain, selector
    )


def due_domains(tx: Reader, *, now: int, old: int, limit: int) -> list[tuple[str, str]]:
    """(organization, domain) of keys that are due, and of ACTIVE ones that count from `old`."""
    found: dict[tuple[str, str], None] = {}
    for state, until in ((WAITING, now), (RETIRING, now), (ACTIVE, old)):
        rows = tx.rows(
            "SELECT org, domain FROM dkim_key WHERE state = ? AND due <= ? ORDER BY due LIMIT ?",
            state,
            until,
            limit,
        )
        found.update(dict.fromkeys((str(org), str(domain)) for org, domain in rows))
    return list(found)[:limit]

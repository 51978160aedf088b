"""Rows of `dkim_key`: the keys by which a mail domain's messages are signed."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, command, quick

RSA = "rsa"
ED25519 = "ed25519"


class DkimKeyRow(msgspec.Struct, frozen=True):
    """One key; `algorithm` as in the `k=` of its record, `public` as in the `p=`."""

    org: str
    domain: str
    selector: str
    algorithm: str
    public: str
    sealed: bytes
    gen: int


_COLUMNS = "org, domain, selector, algorithm, public, sealed, gen"


def insert_key(tx: Tx, row: DkimKeyRow) -> None:
    """Insert a key unless the domain has one of this selector."""
    tx.run(
        f"INSERT INTO dkim_key ({_COLUMNS}, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        *msgspec.structs.astuple(row),
        tx.env.now(),
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


def page_keys(tx: Reader, *, organization: str, after: tuple[str, str], limit: int) -> list[Row]:
    """Rows (domain, selector, gen, sealed) of an organization after (domain, selector)."""
    return tx.rows(
        "SELECT domain, selector, gen, sealed FROM dkim_key"
        " WHERE org = ? AND (domain, selector) > (?, ?) ORDER BY domain, selector LIMIT ?",
        organization,
        *after,
        limit,
    )


@command
def rewrap_keys(
    tx: Tx, *, organization: str, gen: int, rows: list[tuple[str, str, bytes, bytes]]
) -> None:
    """Replace sealed private keys: (domain, selector, old value, new value)."""
    tx.many(
        "UPDATE dkim_key SET sealed = ?, gen = ?"
        " WHERE org = ? AND domain = ? AND selector = ? AND sealed = ?",
        [(new, gen, organization, domain, name, old) for domain, name, old, new in rows],
    )

"""Rows of `availability`: where free/busy of a domain elsewhere is asked."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, quick

EWS = "EWS"
LAMBDA = "LAMBDA"


class ProviderRow(msgspec.Struct, frozen=True, array_like=True):
    """A provider: `target` is a URL or an ARN, `sealed` the password, empty without one."""

    kind: str
    target: str
    username: str
    sealed: bytes
    gen: int


class ConfigurationRow(msgspec.Struct, frozen=True):
    """The provider of a domain, with its dates in ms."""

    domain: str
    provider: ProviderRow
    created: int
    modified: int


_COLUMNS = "domain, kind, target, username, sealed, gen, created, modified"


def _row(row: Row) -> ConfigurationRow:
    domain, kind, target, username, sealed, gen, created, modified = row
    provider = ProviderRow(kind, target, username, bytes(sealed), gen)
    return ConfigurationRow(domain, provider, created, modified)


def insert_configuration(tx: Tx, *, org: str, domain: str, provider: ProviderRow) -> bool:
    """Insert a configuration; False when the domain has one."""
    now = tx.env.now()
    return (
        tx.run(
            f"INSERT INTO availability (org, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            org,
            domain,
            *msgspec.structs.astuple(provider),
            now,
            now,
        )
        == 1
    )


def update_configuration(tx: Tx, *, org: str, domain: str, provider: ProviderRow) -> bool:
    """Replace the provider of a domain; False when it has none."""
    return (
        tx.run(
            "UPDATE availability SET kind = ?, target = ?, username = ?, sealed = ?, gen = ?,"
            " modified = ? WHERE org = ? AND domain = ?",
            *msgspec.structs.astuple(provider),
            tx.env.now(),
            org,
            domain,
        )
        == 1
    )


def delete_configuration(tx: Tx, *, org: str, domain: str) -> None:
    """Delete a configuration, if it is there."""
    tx.run("DELETE FROM availability WHERE org = ? AND domain = ?", org, domain)


@quick
def get_configuration(tx: Reader, *, org: str, domain: str) -> ConfigurationRow | None:
    """The configuration of a domain."""
    row = tx.row(f"SELECT {_COLUMNS} FROM availability WHERE org = ? AND domain = ?", org, domain)
    return _row(row) if row is not None else None


def list_configurations(tx: Reader, *, org: str, after: str, limit: int) -> list[ConfigurationRow]:
    """Configurations of domains above `after`, by domain."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM availability WHERE org = ? AND domain > ? ORDER BY domain LIMIT ?",
        org,
        after,
        limit,
    )
    return [_row(row) for row in rows]


def count_configurations(tx: Reader, *, org: str) -> int:
    """How many configurations the organization has."""
    row = tx.row("SELECT COUNT(*) FROM availability WHERE org = ?", org)
    return int(row[0]) if row is not None else 0

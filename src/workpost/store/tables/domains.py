"""Rows of `domain`: the mail domains of each organization.

Several organizations may register one name, one of them may have it verified. Names are folded
(`formats.addresses.fold_domain`).
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

PENDING = "PENDING"
VERIFIED = "VERIFIED"


class DomainRow(msgspec.Struct, frozen=True):
    """One mail domain; `is_default` and `is_test` are 0 or 1, `props` a JSON object."""

    org: str
    name: str
    state: str
    is_default: int
    is_test: int
    created: int
    props: str


_COLUMNS = "org, name, state, is_default, is_test, created, props"


def insert_domain(
    tx: Tx,
    *,
    org: str,
    name: str,
    state: str,
    is_default: bool = False,
    is_test: bool = False,
    props: str = "{}",
) -> bool:
    """Insert a domain; False when the organization has it or someone has it verified."""
    return (
        tx.run(
            f"INSERT INTO domain ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            org,
            name,
            state,
            int(is_default),
            int(is_test),
            tx.env.now(),
            props,
        )
        == 1
    )


@quick
def get_domain(tx: Reader, *, org: str, name: str) -> DomainRow | None:
    """The organization's domain of this name."""
    row = tx.row(f"SELECT {_COLUMNS} FROM domain WHERE org = ? AND name = ?", org, name)
    return DomainRow(*row) if row is not None else None


@quick
def get_verified(tx: Reader, *, name: str) -> DomainRow | None:
    """The domain of this name in the organization that has it verified."""
    row = tx.row(f"SELECT {_COLUMNS} FROM domain WHERE name = ? AND state = 'VERIFIED'", name)
    return DomainRow(*row) if row is not None else None


def delete_domains(tx: Tx, *, org: str) -> None:
    """Delete all domains of an organization."""
    tx.run("DELETE FROM domain WHERE org = ?", org)

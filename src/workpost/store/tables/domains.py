"""Rows of `domain`: the mail domains of each organization.

Several organizations may register one name, one of them may have it verified. Names are folded
(`formats.addresses.fold_domain`).
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

PENDING = "PENDING"
VERIFIED = "VERIFIED"
FAILED = "FAILED"


class DomainRow(msgspec.Struct, frozen=True):
    """One mail domain; `is_default` and `is_test` are 0 or 1, `props` a JSON object.

    `state` tells of the ownership, `dkim` of the DKIM record; `token` is what the owner publishes,
    "" for a test domain; `since` when waiting for it began.
    """

    org: str
    name: str
    state: str
    is_default: int
    is_test: int
    created: int
    props: str
    token: str
    dkim: str
    since: int
    catch_all: str | None = None
    """The id of the entity that gets what nobody holds."""


_COLUMNS = "org, name, state, is_default, is_test, created, props, token, dkim, since"
_READ = f"{_COLUMNS}, catch_all"
_DOMAIN_OF = "substr(addr_fold, length(rtrim(addr_fold, replace(addr_fold, '@', ''))) + 1)"
"""The expression of the index `address_domain`, word for word."""


def insert_domain(
    tx: Tx,
    *,
    org: str,
    name: str,
    state: str,
    is_default: bool = False,
    is_test: bool = False,
    props: str = "{}",
    token: str = "",
) -> bool:
    """Insert a domain whose DKIM record is as verified as itself.

    False when the organization has it or someone has it verified.
    """
    now = tx.env.now()
    return (
        tx.run(
            f"INSERT INTO domain ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            org,
            name,
            state,
            int(is_default),
            int(is_test),
            now,
            props,
            token,
            state,
            now,
        )
        == 1
    )


@quick
def get_domain(tx: Reader, *, org: str, name: str) -> DomainRow | None:
    """The organization's domain of this name."""
    row = tx.row(f"SELECT {_READ} FROM domain WHERE org = ? AND name = ?", org, name)
    return DomainRow(*row) if row is not None else None


@quick
def get_verified(tx: Reader, *, name: str) -> DomainRow | None:
    """The domain of this name in the organization that has it verified."""
    row = tx.row(f"SELECT {_READ} FROM domain WHERE name = ? AND state = 'VERIFIED'", name)
    return DomainRow(*row) if row is not None else None


def list_verified(tx: Reader, *, after: str, limit: int) -> list[DomainRow]:
    """Verified domains of all organizations with names above `after`, test domains apart."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM domain WHERE state = 'VERIFIED' AND name > ? AND is_test = 0"
        " ORDER BY name LIMIT ?",
        after,
        limit,
    )
    return [DomainRow(*row) for row in rows]


def list_domains(tx: Reader, *, org: str, after: str, limit: int) -> list[DomainRow]:
    """A page of the organization's domains with names above `after`, by name."""
    rows = tx.rows(
        f"SELECT {_READ} FROM domain WHERE org = ? AND name > ? ORDER BY name LIMIT ?",
        org,
        after,
        limit,
    )
    return [DomainRow(*row) for row in rows]


def get_test_domain(tx: Reader, *, org: str) -> str | None:
    """The name of the domain that the organization got when it was created."""
    row = tx.row("SELECT name FROM domain WHERE org = ? AND is_test = 1", org)
    return str(row[0]) if row is not None else None


def count_domains(tx: Reader, *, org: str) -> int:
    """How many domains the organization has."""
    row = tx.row("SELECT COUNT(*) FROM domain WHERE org = ?", org)
    return int(row[0]) if row is not None else 0


def address_in_domain(tx: Reader, *, org: str, name: str) -> str | None:
    """An address of the organization in this domain, None when nobody holds one."""
    row = tx.row(
        f"SELECT address FROM address WHERE org = ? AND {_DOMAIN_OF} = ? LIMIT 1", org, name
    )
    return str(row[0]) if row is not None else None


def begin_verification(tx: Tx, *, org: str, name: str, token: str) -> None:
    """Wait anew for the owner to publish `token`; what is verified stays so."""
    tx.run(
        "UPDATE domain SET token = ?, since = ?,"
        " state = CASE state WHEN 'FAILED' THEN 'PENDING' ELSE state END,"
        " dkim = CASE dkim WHEN 'FAILED' THEN 'PENDING' ELSE dkim END"
        " WHERE org = ? AND name = ?",
        token,
        tx.env.now(),
        org,
        name,
    )


def set_states(tx: Tx, *, org: str, name: str, state: str, dkim: str) -> None:
    """Set what is known of the ownership and of the DKIM record."""
    tx.run(
        "UPDATE domain SET state = ?, dkim = ? WHERE org = ? AND name = ?", state, dkim, org, name
    )


def set_default(tx: Tx, *, org: str, name: str) -> None:
    """Make a domain the organization's only default."""
    tx.run("UPDATE domain SET is_default = 0 WHERE org = ? AND is_default = 1", org)
    tx.run("UPDATE domain SET is_default = 1 WHERE org = ? AND name = ?", org, name)


def set_catch_all(tx: Tx, *, org: str, name: str, entity: str | None) -> None:
    """Set who gets mail for addresses of the domain that nobody holds."""
    tx.run("UPDATE domain SET catch_all = ? WHERE org = ? AND name = ?", entity, org, name)


def delete_domain(tx: Tx, *, org: str, name: str) -> None:
    """Delete a domain with its DKIM keys."""
    tx.run("DELETE FROM dkim_key WHERE org = ? AND domain = ?", org, name)
    tx.run("DELETE FROM domain WHERE org = ? AND name = ?", org, name)


def delete_domains(tx: Tx, *, org: str) -> None:
    """Delete all domains of an organization with their DKIM keys."""
    tx.run("DELETE FROM dkim_key WHERE org = ?", org)
    tx.run("DELETE FROM domain WHERE org = ?", org)

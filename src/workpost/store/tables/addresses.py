"""Rows of `address`: every address of the installation, primary and alias, by its fold.

One table for all organizations, so that a recipient is found by one look-up and no two people
anywhere hold the same address.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class AddressRow(msgspec.Struct, frozen=True):
    """One address and its holder; `is_primary` is 0 or 1."""

    addr_fold: str
    address: str
    org: str
    entity: str
    is_primary: int


class HolderRow(msgspec.Struct, frozen=True):
    """An enabled holder of an address in an active organization, as mail flow needs it.

    `mailbox` is 0 for those without one; `bytes` and `quota` are those of the mailbox. `forward` is
    the address that mail goes on to, "" for none, `keeps` 0 where the mailbox keeps no copy then.
    `senders` says who may write to a group.
    """

    org: str
    entity: str
    kind: str
    address: str
    mailbox: int
    bytes: int
    quota: int
    forward: str = ""
    keeps: int = 1
    senders: str = ""

    def takes(self, size: int) -> bool:
        """Whether a message of so many bytes (0: of any size) fits, or goes elsewhere anyway."""
        if self.mailbox == 0 or (self.forward and not self.keeps):
            return True
        return self.bytes + max(size, 1) <= self.quota


_COLUMNS = "addr_fold, address, org, entity, is_primary"
_HOLDER = (
    "SELECT e.org, e.id, e.kind, e.primary_address, COALESCE(m.id, 0), COALESCE(m.bytes, 0),"
    " COALESCE(m.quota, 0), e.forward, e.keeps_copy, e.senders"
)
_MAILBOX = "LEFT JOIN mailbox m ON m.id = e.mailbox AND m.state = 'ACTIVE'"


def insert_address(
    tx: Tx, *, addr_fold: str, address: str, org: str, entity: str, is_primary: bool
) -> bool:
    """Give an entity an address; False when somebody holds it."""
    return (
        tx.run(
            f"INSERT INTO address ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            addr_fold,
            address,
            org,
            entity,
            int(is_primary),
        )
        == 1
    )


@quick
def get_address(tx: Reader, *, addr_fold: str) -> AddressRow | None:
    """The address in whatever organization holds it."""
    row = tx.row(f"SELECT {_COLUMNS} FROM address WHERE addr_fold = ?", addr_fold)
    return AddressRow(*row) if row is not None else None


@quick
def get_holder(tx: Reader, *, addr_fold: str) -> HolderRow | None:
    """The enabled holder of an address."""
    row = tx.row(
        f"{_HOLDER} FROM address a JOIN organization o ON o.id = a.org AND o.state = 'Active'"
        " JOIN entity e ON e.org = a.org AND e.id = a.entity AND e.state = 'ENABLED'"
        f" {_MAILBOX} WHERE a.addr_fold = ?",
        addr_fold,
    )
    return HolderRow(*row) if row is not None else None


@quick
def get_holder_by_id(tx: Reader, *, org: str, entity: str) -> HolderRow | None:
    """The enabled entity of this id."""
    row = tx.row(
        f"{_HOLDER} FROM entity e JOIN organization o ON o.id = e.org AND o.state = 'Active'"
        f" {_MAILBOX} WHERE e.org = ? AND e.id = ? AND e.state = 'ENABLED'",
        org,
        entity,
    )
    return HolderRow(*row) if row is not None else None


def list_holders_of_group(
    tx: Reader, *, org: str, grp: str, after: str, limit: int
) -> list[HolderRow]:
    """A page of the enabled direct members of a group with ids above `after`, groups among them."""
    rows = tx.rows(
        f"{_HOLDER} FROM member g JOIN entity e ON e.org = g.org AND e.id = g.member"
        f" AND e.state = 'ENABLED' {_MAILBOX} WHERE g.org = ? AND g.grp = ? AND g.member > ?"
        " ORDER BY g.member LIMIT ?",
        org,
        grp,
        after,
        limit,
    )
    return [HolderRow(*row) for row in rows]


def list_addresses(tx: Reader, *, org: str, entity: str) -> list[AddressRow]:
    """The addresses of an entity, the primary one first."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM address WHERE org = ? AND entity = ?"
        " ORDER BY is_primary DESC, addr_fold",
        org,
        entity,
    )
    return [AddressRow(*row) for row in rows]


def delete_addresses(tx: Tx, *, org: str, entity: str) -> None:
    """Free all addresses of an entity."""
    tx.run("DELETE FROM address WHERE org = ? AND entity = ?", org, entity)


def list_aliases(
    tx: Reader, *, org: str, entity: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """A page of (fold, address) of an entity's aliases with folds above `after`."""
    rows = tx.rows(
        "SELECT addr_fold, address FROM address WHERE org = ? AND entity = ? AND is_primary = 0"
        " AND addr_fold > ? ORDER BY addr_fold LIMIT ?",
        org,
        entity,
        after,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


def count_aliases(tx: Reader, *, org: str, entity: str) -> int:
    """How many aliases an entity has."""
    sql = "SELECT COUNT(*) FROM address WHERE org = ? AND entity = ? AND is_primary = 0"
    row = tx.row(sql, org, entity)
    return int(row[0]) if row is not None else 0


def delete_address(tx: Tx, *, org: str, entity: str, addr_fold: str) -> None:
    """Free one address of an entity."""
    sql = "DELETE FROM address WHERE org = ? AND entity = ? AND addr_fold = ?"
    tx.run(sql, org, entity, addr_fold)


def set_primary(tx: Tx, *, org: str, entity: str, addr_fold: str) -> None:
    """Make one of an entity's addresses its primary one and all others aliases."""
    tx.run(
        "UPDATE address SET is_primary = CASE WHEN addr_fold = ? THEN 1 ELSE 0 END"
        " WHERE org = ? AND entity = ?",
        addr_fold,
        org,
        entity,
    )

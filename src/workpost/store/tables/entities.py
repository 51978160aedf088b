"""Rows of `entity`: users, groups and resources, one namespace per organization.

A deleted entity stays as a row in state DELETED, so that its id is never used again and says what
became of it; its name is free at once.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

USER, GROUP, RESOURCE = "USER", "GROUP", "RESOURCE"
ENABLED, DISABLED, DELETED = "ENABLED", "DISABLED", "DELETED"


class EntityRow(msgspec.Struct, frozen=True):
    """One user, group or resource; times in ms, `props` a JSON object, `password` a PHC string."""

    org: str
    id: str
    kind: str
    state: str
    name: str
    name_fold: str
    display: str
    display_fold: str
    primary_address: str | None
    primary_fold: str | None
    hidden: int
    mailbox: int | None
    password: str | None
    created: int
    enabled_at: int | None
    disabled_at: int | None
    provisioned_at: int | None
    deprovisioned_at: int | None
    props: str
    version: int
    forward: str = ""
    keeps_copy: int = 1
    senders: str = ""


_COLUMNS = (
    "org, id, kind, state, name, name_fold, display, display_fold, primary_address, primary_fold,"
    " hidden, mailbox, password, created, enabled_at, disabled_at, provisioned_at,"
    " deprovisioned_at, props, version"
)
_READ = f"{_COLUMNS}, forward, keeps_copy, senders"
_ORDERS = {"name": "name_fold", "display": "display_fold", "address": "primary_fold"}
LAST = "\U0010ffff"
"""Sorts after everything that a prefix can be followed by."""


def insert_entity(
    tx: Tx,
    *,
    org: str,
    entity: str,
    kind: str,
    name: str,
    name_fold: str,
    display: str,
    display_fold: str,
    hidden: bool,
    password: str | None,
    props: str,
    version: int,
) -> bool:
    """Insert a disabled entity without an address; False when the name is taken."""
    return (
        tx.run(
            f"INSERT INTO entity ({_COLUMNS}) VALUES (?, ?, ?, 'DISABLED', ?, ?, ?, ?, NULL, NULL,"
            " ?, NULL, ?, ?, NULL, NULL, NULL, NULL, ?, ?) ON CONFLICT DO NOTHING",
            org,
            entity,
            kind,
            name,
            name_fold,
            display,
            display_fold,
            int(hidden),
            password,
            tx.env.now(),
            props,
            version,
        )
        == 1
    )


@quick
def get_entity(tx: Reader, *, org: str, entity: str) -> EntityRow | None:
    """The entity of this id, in any state."""
    row = tx.row(f"SELECT {_READ} FROM entity WHERE org = ? AND id = ?", org, entity)
    return EntityRow(*row) if row is not None else None


@quick
def get_by_name(tx: Reader, *, org: str, name_fold: str) -> EntityRow | None:
    """The entity of this name that is not deleted."""
    row = tx.row(
        f"SELECT {_READ} FROM entity WHERE org = ? AND name_fold = ? AND state <> 'DELETED'",
        org,
        name_fold,
    )
    return EntityRow(*row) if row is not None else None


def list_entities(
    tx: Reader,
    *,
    org: str,
    kind: str,
    order: str,
    prefix: str,
    state: str | None,
    after: tuple[str, str],
    limit: int,
) -> list[tuple[str, EntityRow]]:
    """A page of (sort key, entity) by `order` (name, display or address), then id.

    `prefix` is folded and bounds the sort key; `after` is the key and id of the last row seen,
    ("", "") at the start; `state` None means all but the deleted ones.
    """
    column = _ORDERS[order]
    wanted = "state <> 'DELETED'" if state is None else "state = ?"
    # One lower bound: given two, SQLite may begin at the lesser one and read all pages before.
    rows = tx.rows(
        f"SELECT {_READ} FROM entity WHERE org = ? AND kind = ? AND ({column}, id) > (?, ?)"
        f" AND {column} < ? AND {wanted} ORDER BY {column}, id LIMIT ?",
        org,
        kind,
        *max(after, (prefix, "")),
        prefix + LAST,
        *(() if state is None else (state,)),
        limit,
    )
    found = [EntityRow(*row) for row in rows]
    return [(sort_key(entity, order), entity) for entity in found]


def sort_key(row: EntityRow, order: str) -> str:
    """What a row is sorted by in an order of `list_entities`."""
    return getattr(row, _ORDERS[order]) or ""


def list_by_addresses(
    tx: Reader, *, org: str, prefix: str, after: str, limit: int
) -> list[tuple[str, EntityRow]]:
    """A page of (address, its holder) by address, aliases included, each holder once.

    `prefix` is folded; of several addresses of one holder that have it the first counts.
    """
    columns = ", ".join(f"e.{name}" for name in _READ.split(", "))
    rows = tx.rows(
        f"SELECT a.addr_fold, {columns} FROM address a"
        " JOIN entity e ON e.org = a.org AND e.id = a.entity"
        " WHERE a.org = ? AND a.addr_fold >= ? AND a.addr_fold < ? AND a.addr_fold > ?"
        " AND NOT EXISTS (SELECT 1 FROM address b WHERE b.org = a.org AND b.entity = a.entity"
        # Not a bare column: by its range each row would read all that come before it.
        " AND b.addr_fold || '' >= ? AND b.addr_fold || '' < a.addr_fold)"
        " ORDER BY a.addr_fold LIMIT ?",
        org,
        prefix,
        prefix + LAST,
        after,
        prefix,
        limit,
    )
    return [(row[0], EntityRow(*row[1:])) for row in rows]


def has_enabled_users(tx: Reader, *, org: str) -> bool:
    """True while the organization has a user with a mailbox in use."""
    return (
        tx.row(
            "SELECT 1 FROM entity WHERE org = ? AND kind = 'USER' AND state = 'ENABLED' LIMIT 1",
            org,
        )
        is not None
    )


def enable(
    tx: Tx,
    *,
    org: str,
    entity: str,
    address: str,
    addr_fold: str,
    mailbox: int | None,
    enabled_at: int,
    provisioned_at: int | None,
    version: int,
) -> None:
    """Enable an entity under its primary address, with its mailbox when it has one."""
    tx.run(
        "UPDATE entity SET state = 'ENABLED', primary_address = ?, primary_fold = ?, mailbox = ?,"
        " enabled_at = ?, disabled_at = NULL, provisioned_at = ?, deprovisioned_at = NULL,"
        " version = ? WHERE org = ? AND id = ?",
        address,
        addr_fold,
        mailbox,
        enabled_at,
        provisioned_at,
        version,
        org,
        entity,
    )


def disable(
    tx: Tx,
    *,
    org: str,
    entity: str,
    disabled_at: int,
    deprovisioned_at: int | None,
    version: int,
) -> None:
    """Disable an entity: no address any more; the mailbox stays attached for a restore.

    Where mail goes on to is kept with a mailbox, and forgotten where it stood for one.
    """
    tx.run(
        "UPDATE entity SET state = 'DISABLED', primary_address = NULL, primary_fold = NULL,"
        " disabled_at = ?, deprovisioned_at = ?, version = ?,"
        " keeps_copy = CASE WHEN mailbox IS NULL THEN 1 ELSE keeps_copy END,"
        " forward = CASE WHEN mailbox IS NULL THEN '' ELSE forward END WHERE org = ? AND id = ?",
        disabled_at,
        deprovisioned_at,
        version,
        org,
        entity,
    )


def set_password(tx: Tx, *, org: str, entity: str, password: str, props: str, version: int) -> None:
    """Replace the password's hash and the properties, which say when it was changed."""
    tx.run(
        "UPDATE entity SET password = ?, props = ?, version = ? WHERE org = ? AND id = ?",
        password,
        props,
        version,
        org,
        entity,
    )


def replace_hash(tx: Tx, *, org: str, entity: str, old: str, new: str) -> None:
    """Store another hash of the same password, unless the password was changed meanwhile."""
    tx.run(
        "UPDATE entity SET password = ? WHERE org = ? AND id = ? AND password = ?",
        new,
        org,
        entity,
        old,
    )


def delete_entity(tx: Tx, *, org: str, entity: str, props: str, version: int) -> None:
    """Turn the row into a tombstone: id, kind and name, no password, `props` as they are given."""
    tx.run(
        "UPDATE entity SET state = 'DELETED', password = NULL, display = '', display_fold = '',"
        " forward = '', keeps_copy = 1, senders = '', props = ?, version = ?"
        " WHERE org = ? AND id = ?",
        props,
        version,
        org,
        entity,
    )


def revive_entity(tx: Tx, *, org: str, entity: str, name_fold: str, version: int) -> None:
    """Turn a tombstone back into a disabled entity; a kept mailbox is still attached."""
    tx.run(
        "UPDATE entity SET state = 'DISABLED', name_fold = ?, identity = NULL, version = ?"
        " WHERE org = ? AND id = ? AND state = 'DELETED'",
        name_fold,
        version,
        org,
        entity,
    )


def update_entity(tx: Tx, row: EntityRow) -> None:
    """Store names, visibility and properties of a row; callers have checked that it is unique."""
    tx.run(
        "UPDATE entity SET name = ?, name_fold = ?, display = ?, display_fold = ?, hidden = ?,"
        " props = ?, version = ? WHERE org = ? AND id = ?",
        row.name,
        row.name_fold,
        row.display,
        row.display_fold,
        row.hidden,
        row.props,
        row.version,
        row.org,
        row.id,
    )


def set_primary_address(
    tx: Tx, *, org: str, entity: str, address: str, addr_fold: str, version: int
) -> None:
    """Show another of an entity's addresses as its primary one."""
    tx.run(
        "UPDATE entity SET primary_address = ?, primary_fold = ?, version = ?"
        " WHERE org = ? AND id = ?",
        address,
        addr_fold,
        version,
        org,
        entity,
    )


def set_forward(
    tx: Tx, *, org: str, entity: str, forward: str, keeps_copy: bool, version: int
) -> None:
    """Set where mail for an entity goes on to, "" for nowhere, and whether a copy stays."""
    tx.run(
        "UPDATE entity SET forward = ?, keeps_copy = ?, version = ? WHERE org = ? AND id = ?",
        forward,
        int(keeps_copy),
        version,
        org,
        entity,
    )


def set_senders(tx: Tx, *, org: str, entity: str, senders: str, version: int) -> None:
    """Set who may write to a group."""
    tx.run(
        "UPDATE entity SET senders = ?, version = ? WHERE org = ? AND id = ?",
        senders,
        version,
        org,
        entity,
    )


@quick
def find_remote(tx: Reader, *, org: str, addr_fold: str) -> EntityRow | None:
    """The enabled user who is registered under an address elsewhere."""
    row = tx.row(
        f"SELECT {_READ} FROM entity WHERE org = ? AND kind = 'USER' AND primary_fold = ?"
        " AND state = 'ENABLED'",
        org,
        addr_fold,
    )
    return EntityRow(*row) if row is not None else None


def detach_mailbox(tx: Tx, *, org: str, entity: str, mailbox: int) -> None:
    """Forget a mailbox that will be destroyed, unless the entity has another by now."""
    tx.run(
        "UPDATE entity SET mailbox = NULL WHERE org = ? AND id = ? AND mailbox = ?",
        org,
        entity,
        mailbox,
    )

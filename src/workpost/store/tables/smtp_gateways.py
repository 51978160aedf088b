"""Rows of `smtp_gateway`: servers that an organization's rules send mail through."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, quick


class GatewayRow(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway: `sealed` is its password; dates in ms."""

    id: str
    name: str
    host: str
    port: int
    username: str
    sealed: bytes
    gen: int
    created: int = 0
    modified: int = 0


_COLUMNS = "id, name, host, port, username, sealed, gen, created, modified"


def _row(row: Row) -> GatewayRow:
    return GatewayRow(**dict(zip(GatewayRow.__struct_fields__, row, strict=True)))


def insert_gateway(tx: Tx, *, org: str, new: GatewayRow) -> None:
    """Insert a gateway whose name is free."""
    now = tx.env.now()
    tx.run(
        f"INSERT INTO smtp_gateway (org, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        org,
        *msgspec.structs.astuple(new)[:7],
        now,
        now,
    )


def update_gateway(tx: Tx, *, org: str, new: GatewayRow) -> bool:
    """Replace a gateway, which keeps the date of its making; False when there is none."""
    return (
        tx.run(
            "UPDATE smtp_gateway SET name = ?, host = ?, port = ?, username = ?, sealed = ?,"
            " gen = ?, modified = ? WHERE org = ? AND id = ?",
            *msgspec.structs.astuple(new)[1:7],
            tx.env.now(),
            org,
            new.id,
        )
        == 1
    )


def delete_gateway(tx: Tx, *, org: str, id: str) -> None:
    """Delete a gateway, if it is there."""
    tx.run("DELETE FROM smtp_gateway WHERE org = ? AND id = ?", org, id)


@quick
def get_gateway(tx: Reader, *, org: str, id: str) -> GatewayRow | None:
    """The gateway of an id."""
    row = tx.row(f"SELECT {_COLUMNS} FROM smtp_gateway WHERE org = ? AND id = ?", org, id)
    return _row(row) if row is not None else None


def list_gateways(tx: Reader, *, org: str, after: str, limit: int) -> list[GatewayRow]:
    """Gateways with names above `after`, by name."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM smtp_gateway WHERE org = ? AND name > ? ORDER BY name LIMIT ?",
        org,
        after,
        limit,
    )
    return [_row(row) for row in rows]


def holder_of_name(tx: Reader, *, org: str, name: str) -> str | None:
    """The id of the gateway that has a name."""
    row = tx.row("SELECT id FROM smtp_gateway WHERE org = ? AND name = ?", org, name)
    return str(row[0]) if row is not None else None


def count_gateways(tx: Reader, *, org: str) -> int:
    """How many gateways the organization has."""
    row = tx.row("SELECT COUNT(*) FROM smtp_gateway WHERE org = ?", org)
    return int(row[0]) if row is not None else 0

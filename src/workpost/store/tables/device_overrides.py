"""Rows of `device_override`: what one device of one user is told, whatever the rules say."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class OverrideRow(msgspec.Struct, frozen=True):
    """One override; `device` as it was given last, `device_fold` in lower case."""

    entity: str
    device_fold: str
    device: str
    effect: str
    description: str
    created: int
    modified: int


_COLUMNS = "entity, device_fold, device, effect, description, created, modified"


def put_override(tx: Tx, *, org: str, row: OverrideRow) -> None:
    """Insert or replace an override; a replaced one keeps `created`."""
    tx.run(
        f"INSERT INTO device_override (org, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (org, entity, device_fold) DO UPDATE SET device = excluded.device,"
        " effect = excluded.effect, description = excluded.description,"
        " modified = excluded.modified",
        org,
        row.entity,
        row.device_fold,
        row.device,
        row.effect,
        row.description,
        row.created,
        row.modified,
    )


@quick
def get_override(tx: Reader, *, org: str, entity: str, device_fold: str) -> OverrideRow | None:
    """The override for a device of a user."""
    row = tx.row(
        f"SELECT {_COLUMNS} FROM device_override WHERE org = ? AND entity = ? AND device_fold = ?",
        org,
        entity,
        device_fold,
    )
    return OverrideRow(*row) if row is not None else None


def delete_override(tx: Tx, *, org: str, entity: str, device_fold: str) -> bool:
    """Delete an override; False when there was none."""
    return (
        tx.run(
            "DELETE FROM device_override WHERE org = ? AND entity = ? AND device_fold = ?",
            org,
            entity,
            device_fold,
        )
        == 1
    )


def delete_overrides_of(tx: Tx, *, org: str, entity: str) -> None:
    """Delete all overrides of a user."""
    tx.run("DELETE FROM device_override WHERE org = ? AND entity = ?", org, entity)


def list_overrides(
    tx: Reader, *, org: str, entity: str, device_fold: str, after: tuple[str, str], limit: int
) -> list[OverrideRow]:
    """A page of overrides by user and device, of one user or one device where they are given."""
    wanted, values = "", []
    for column, value in (("entity", entity), ("device_fold", device_fold)):
        if value:
            wanted += f" AND {column} = ?"
            values.append(value)
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM device_override WHERE org = ?{wanted}"
        " AND (entity, device_fold) > (?, ?) ORDER BY entity, device_fold LIMIT ?",
        org,
        *values,
        *after,
        limit,
    )
    return [OverrideRow(*row) for row in rows]

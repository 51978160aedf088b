"""Rows of `access_rule` and `device_rule`: each rule a JSON object, read and written whole."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class RuleRow(msgspec.Struct, frozen=True):
    """One rule; `key` is the name of an access rule, the id of a device rule."""

    key: str
    rule: str
    created: int
    modified: int


def put_access_rule(tx: Tx, *, org: str, name: str, rule: str, created: int, modified: int) -> None:
    """Insert or replace an access-control rule; a replaced one keeps `created`."""
    tx.run(
        "INSERT INTO access_rule (org, name, rule, created, modified) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (org, name) DO UPDATE SET rule = excluded.rule, modified = excluded.modified",
        org,
        name,
        rule,
        created,
        modified,
    )


@quick
def list_access_rules(tx: Reader, *, org: str) -> list[RuleRow]:
    """The organization's access-control rules, by name."""
    sql = "SELECT name, rule, created, modified FROM access_rule WHERE org = ? ORDER BY name"
    return [RuleRow(*row) for row in tx.rows(sql, org)]


@quick
def get_access_rule(tx: Reader, *, org: str, name: str) -> RuleRow | None:
    """The access-control rule of this name."""
    row = tx.row(
        "SELECT name, rule, created, modified FROM access_rule WHERE org = ? AND name = ?",
        org,
        name,
    )
    return RuleRow(*row) if row is not None else None


def count_access_rules(tx: Reader, *, org: str) -> int:
    """How many access-control rules the organization has."""
    row = tx.row("SELECT COUNT(*) FROM access_rule WHERE org = ?", org)
    return int(row[0]) if row is not None else 0


def delete_access_rule(tx: Tx, *, org: str, name: str) -> bool:
    """Delete an access-control rule; False when there was none."""
    return tx.run("DELETE FROM access_rule WHERE org = ? AND name = ?", org, name) == 1


def put_device_rule(
    tx: Tx, *, org: str, rule_id: str, rule: str, created: int, modified: int
) -> None:
    """Insert or replace a mobile-device rule; a replaced one keeps `created`."""
    tx.run(
        "INSERT INTO device_rule (org, id, rule, created, modified) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (org, id) DO UPDATE SET rule = excluded.rule, modified = excluded.modified",
        org,
        rule_id,
        rule,
        created,
        modified,
    )


@quick
def list_device_rules(tx: Reader, *, org: str) -> list[RuleRow]:
    """The organization's mobile-device rules in the order of their making."""
    sql = "SELECT id, rule, created, modified FROM device_rule WHERE org = ? ORDER BY created, id"
    return [RuleRow(*row) for row in tx.rows(sql, org)]


@quick
def get_device_rule(tx: Reader, *, org: str, rule_id: str) -> RuleRow | None:
    """The mobile-device rule of this id."""
    row = tx.row(
        "SELECT id, rule, created, modified FROM device_rule WHERE org = ? AND id = ?",
        org,
        rule_id,
    )
    return RuleRow(*row) if row is not None else None


def count_device_rules(tx: Reader, *, org: str) -> int:
    """How many mobile-device rules the organization has."""
    row = tx.row("SELECT COUNT(*) FROM device_rule WHERE org = ?", org)
    return int(row[0]) if row is not None else 0


def delete_device_rule(tx: Tx, *, org: str, rule_id: str) -> bool:
    """Delete a mobile-device rule; False when there was none."""
    return tx.run("DELETE FROM device_rule WHERE org = ? AND id = ?", org, rule_id) == 1

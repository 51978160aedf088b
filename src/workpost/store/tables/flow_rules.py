"""Rows of `flow_rule` and `flow_policy`: the rules on an organization's mail, and journaling."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, quick


class NewFlowRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule to be written; `rule` is its JSON, `senders` and `destinations` count its patterns."""

    id: str
    direction: str
    name: str
    rule: str
    senders: int
    destinations: int
    gateway: str = ""


class FlowRuleRow(msgspec.Struct, frozen=True):
    """One rule, with its dates in ms."""

    id: str
    name: str
    rule: str
    created: int
    modified: int


class FlowPolicyRow(msgspec.Struct, frozen=True):
    """What every message asks of an organization; version 0 while there never was a rule."""

    version: int = 0
    journal: str = ""
    fallback: str = ""


NOTHING = FlowPolicyRow()
_COLUMNS = "id, name, rule, created, modified"


def insert_rule(tx: Tx, *, org: str, new: NewFlowRule) -> None:
    """Insert a rule whose name is free in its direction."""
    now = tx.env.now()
    tx.run(
        "INSERT INTO flow_rule (org, id, direction, name, rule, senders, destinations, gateway,"
        " created, modified) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        org,
        *msgspec.structs.astuple(new),
        now,
        now,
    )


def update_rule(tx: Tx, *, org: str, new: NewFlowRule) -> bool:
    """Replace a rule, which keeps the date of its making; False when there is none."""
    return (
        tx.run(
            "UPDATE flow_rule SET name = ?, rule = ?, senders = ?, destinations = ?, gateway = ?,"
            " modified = ? WHERE org = ? AND id = ? AND direction = ?",
            new.name,
            new.rule,
            new.senders,
            new.destinations,
            new.gateway,
            tx.env.now(),
            org,
            new.id,
            new.direction,
        )
        == 1
    )


def delete_rule(tx: Tx, *, org: str, direction: str, id: str) -> bool:
    """Delete a rule; False when there was none."""
    sql = "DELETE FROM flow_rule WHERE org = ? AND id = ? AND direction = ?"
    return tx.run(sql, org, id, direction) == 1


@quick
def get_rule(tx: Reader, *, org: str, direction: str, id: str) -> FlowRuleRow | None:
    """The rule of an id."""
    row = tx.row(
        f"SELECT {_COLUMNS} FROM flow_rule WHERE org = ? AND id = ? AND direction = ?",
        org,
        id,
        direction,
    )
    return FlowRuleRow(*row) if row is not None else None


def list_rules(
    tx: Reader, *, org: str, direction: str, after: str, limit: int
) -> list[FlowRuleRow]:
    """Rules of a direction with names above `after`, by name."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM flow_rule WHERE org = ? AND direction = ? AND name > ?"
        " ORDER BY name LIMIT ?",
        org,
        direction,
        after,
        limit,
    )
    return [FlowRuleRow(*row) for row in rows]


def holder_of_name(tx: Reader, *, org: str, direction: str, name: str) -> str | None:
    """The id of the rule that has a name."""
    row = tx.row(
        "SELECT id FROM flow_rule WHERE org = ? AND direction = ? AND name = ?",
        org,
        direction,
        name,
    )
    return str(row[0]) if row is not None else None


def count_patterns(tx: Reader, *, org: str, but: str) -> tuple[int, int]:
    """How many patterns of senders and of destinations all rules have, one left out."""
    row = tx.row(
        "SELECT COALESCE(SUM(senders), 0), COALESCE(SUM(destinations), 0) FROM flow_rule"
        " WHERE org = ? AND id <> ?",
        org,
        but,
    )
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


def rule_of_gateway(tx: Reader, *, org: str, gateway: str) -> str | None:
    """The name of a rule that leads to a gateway."""
    row = tx.row(
        "SELECT name FROM flow_rule WHERE org = ? AND gateway = ? ORDER BY name LIMIT 1",
        org,
        gateway,
    )
    return str(row[0]) if row is not None else None


@quick
def policies_of(tx: Reader, *, orgs: Sequence[str]) -> list[FlowPolicyRow]:
    """The policy of each organization, in their order."""
    return [_policy(tx, org) for org in orgs]


def _policy(tx: Reader, org: str) -> FlowPolicyRow:
    row: Row | None = tx.row(
        "SELECT version, journal, fallback FROM flow_policy WHERE org = ?", org
    )
    return FlowPolicyRow(*row) if row is not None else NOTHING


def raise_version(tx: Tx, *, org: str) -> None:
    """Tell that the rules are others now."""
    tx.run(
        "INSERT INTO flow_policy (org, version, journal, fallback) VALUES (?, 1, '', '')"
        " ON CONFLICT (org) DO UPDATE SET version = flow_policy.version + 1",
        org,
    )


def put_journaling(tx: Tx, *, org: str, journal: str, fallback: str) -> None:
    """Write the addresses of journaling, '' for none."""
    tx.run(
        "INSERT INTO flow_policy (org, version, journal, fallback) VALUES (?, 0, ?, ?)"
        " ON CONFLICT (org) DO UPDATE SET journal = excluded.journal, fallback = excluded.fallback",
        org,
        journal,
        fallback,
    )

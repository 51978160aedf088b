"""Rows of `device` and `mobile_policy`: the devices of a mailbox, and what they have to obey."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class DeviceRow(msgspec.Struct, frozen=True):
    """One device; `id` in lower case, texts that it never reported are empty, times in ms."""

    id: str
    shown: str
    type: str
    model: str
    os: str
    agent: str
    name: str
    state: str
    policy_key: int
    policy_version: int
    first_seen: int
    last_seen: int


class PolicyRow(msgspec.Struct, frozen=True):
    """The policy of an organization as JSON; version 0 while none was ever set."""

    policy: str
    version: int
    modified: int


_COLUMNS = (
    "id, shown, type, model, os, agent, name, state, policy_key, policy_version, first_seen,"
    " last_seen"
)


def insert_device(tx: Tx, *, mailbox: int, row: DeviceRow) -> bool:
    """Insert a device; False when the mailbox has one of this id."""
    return (
        tx.run(
            f"INSERT INTO device (mailbox, {_COLUMNS})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            mailbox,
            *msgspec.structs.astuple(row),
        )
        == 1
    )


@quick
def get_device(tx: Reader, *, mailbox: int, id: str) -> DeviceRow | None:
    """The device of this id, in lower case."""
    row = tx.row(f"SELECT {_COLUMNS} FROM device WHERE mailbox = ? AND id = ?", mailbox, id)
    return DeviceRow(*row) if row is not None else None


def list_devices(tx: Reader, *, mailbox: int, after: str, limit: int) -> list[DeviceRow]:
    """A page of a mailbox's devices by id."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM device WHERE mailbox = ? AND id > ? ORDER BY id LIMIT ?",
        mailbox,
        after,
        limit,
    )
    return [DeviceRow(*row) for row in rows]


def count_devices(tx: Reader, *, mailbox: int) -> int:
    """How many devices a mailbox has."""
    row = tx.row("SELECT COUNT(*) FROM device WHERE mailbox = ?", mailbox)
    return int(row[0]) if row is not None else 0


def update_reported(tx: Tx, *, mailbox: int, row: DeviceRow) -> None:
    """Store what a device says of itself and when it was seen; its state stays."""
    tx.run(
        "UPDATE device SET shown = ?, type = ?, model = ?, os = ?, agent = ?, name = ?,"
        " last_seen = ? WHERE mailbox = ? AND id = ?",
        row.shown,
        row.type,
        row.model,
        row.os,
        row.agent,
        row.name,
        row.last_seen,
        mailbox,
        row.id,
    )


def move_state(tx: Tx, *, mailbox: int, id: str, to: str, expected: tuple[str, ...]) -> bool:
    """Change the state of a device that is in one of the expected ones; False otherwise."""
    marks = ", ".join("?" * len(expected))
    return (
        tx.run(
            f"UPDATE device SET state = ? WHERE mailbox = ? AND id = ? AND state IN ({marks})",
            to,
            mailbox,
            id,
            *expected,
        )
        == 1
    )


def set_policy_key(
    tx: Tx, *, mailbox: int, id: str, state: str, key: int, version: int, expected: tuple[str, ...]
) -> bool:
    """Give a device in an expected state a key to a version of the policy; False otherwise."""
    marks = ", ".join("?" * len(expected))
    return (
        tx.run(
            "UPDATE device SET state = ?, policy_key = ?, policy_version = ?"
            f" WHERE mailbox = ? AND id = ? AND state IN ({marks})",
            state,
            key,
            version,
            mailbox,
            id,
            *expected,
        )
        == 1
    )


def delete_device(tx: Tx, *, mailbox: int, id: str) -> bool:
    """Delete a device; False when there was none."""
    return tx.run("DELETE FROM device WHERE mailbox = ? AND id = ?", mailbox, id) == 1


@quick
def get_policy(tx: Reader, *, org: str) -> PolicyRow:
    """The organization's policy for mobile devices."""
    row = tx.row("SELECT policy, version, modified FROM mobile_policy WHERE org = ?", org)
    return PolicyRow(*row) if row is not None else PolicyRow("{}", 0, 0)


def put_policy(tx: Tx, *, org: str, policy: str, modified: int) -> None:
    """Replace the policy and raise its version."""
    tx.run(
        "INSERT INTO mobile_policy (org, policy, version, modified) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (org) DO UPDATE SET policy = excluded.policy,"
        " version = mobile_policy.version + 1, modified = excluded.modified",
        org,
        policy,
        modified,
    )

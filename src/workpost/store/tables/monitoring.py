"""Rows of `email_monitoring`: the log group that an organization's mail events go to."""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class MonitoringRow(msgspec.Struct, frozen=True):
    """One configuration; `role` empty: none was given. `log_group` is an ARN."""

    org: str
    account: str
    role: str
    log_group: str
    since: int


@quick
def get_monitoring(tx: Reader, *, org: str) -> MonitoringRow | None:
    """The organization's configuration."""
    row = tx.row(
        "SELECT org, account, role, log_group, since FROM email_monitoring WHERE org = ?", org
    )
    return MonitoringRow(*row) if row is not None else None


def put_monitoring(tx: Tx, row: MonitoringRow) -> None:
    """Insert or replace the configuration; a replaced one keeps its `since`."""
    tx.run(
        "INSERT INTO email_monitoring (org, account, role, log_group, since)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (org) DO UPDATE SET account = excluded.account,"
        " role = excluded.role, log_group = excluded.log_group",
        *msgspec.structs.astuple(row),
    )


def delete_monitoring(tx: Tx, *, org: str) -> None:
    """Delete the configuration, if there is one."""
    tx.run("DELETE FROM email_monitoring WHERE org = ?", org)

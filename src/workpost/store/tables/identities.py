"""Who users are at an identity provider: the column `identity` of `entity`, and the rows of
`identity_application` and `identity_provider`.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class ApplicationRow(msgspec.Struct, frozen=True):
    """An application of an account at one of its Identity Center instances."""

    arn: str
    account: str
    instance_arn: str
    name: str
    created: int


class ProviderRow(msgspec.Struct, frozen=True):
    """How an organization's people sign in; `token_days` None: tokens do not expire."""

    org: str
    id: int
    mode: str
    instance_arn: str
    application_arn: str
    token_status: str
    token_days: int | None
    created: int
    modified: int


_PROVIDER = (
    "org, id, mode, instance_arn, application_arn, token_status, token_days, created, modified"
)


@quick
def find_identity(tx: Reader, *, org: str, identity: str) -> str | None:
    """The id of the user who is this at the identity provider."""
    row = tx.row(
        "SELECT id FROM entity WHERE org = ? AND identity = ? AND state <> 'DELETED'",
        org,
        identity,
    )
    return str(row[0]) if row is not None else None


def set_identity(tx: Tx, *, org: str, entity: str, identity: str) -> None:
    """Say who a user is, "" for nobody; callers have checked that nobody else is."""
    tx.run(
        "UPDATE entity SET identity = ? WHERE org = ? AND id = ?",
        identity or None,
        org,
        entity,
    )


def insert_application(tx: Tx, row: ApplicationRow) -> bool:
    """Insert an application; False when the ARN is taken."""
    return (
        tx.run(
            "INSERT INTO identity_application (arn, account, instance_arn, name, created)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            row.arn,
            row.account,
            row.instance_arn,
            row.name,
            row.created,
        )
        == 1
    )


@quick
def get_application(tx: Reader, *, account: str, arn: str) -> ApplicationRow | None:
    """The application of an account by its ARN."""
    row = tx.row(
        "SELECT arn, account, instance_arn, name, created FROM identity_application"
        " WHERE arn = ? AND account = ?",
        arn,
        account,
    )
    return ApplicationRow(*row) if row is not None else None


def count_applications(tx: Reader, *, account: str) -> int:
    """How many applications an account has."""
    row = tx.row("SELECT COUNT(*) FROM identity_application WHERE account = ?", account)
    return int(row[0]) if row is not None else 0


def delete_application(tx: Tx, *, account: str, arn: str) -> None:
    """Delete an application of an account, if it is there."""
    tx.run("DELETE FROM identity_application WHERE arn = ? AND account = ?", arn, account)


@quick
def get_provider(tx: Reader, *, org: str) -> ProviderRow | None:
    """The organization's identity provider configuration."""
    row = tx.row(f"SELECT {_PROVIDER} FROM identity_provider WHERE org = ?", org)
    return ProviderRow(*row) if row is not None else None


def put_provider(tx: Tx, row: ProviderRow) -> None:
    """Insert or replace a configuration; a replaced one keeps `id` and `created`."""
    tx.run(
        f"INSERT INTO identity_provider ({_PROVIDER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (org) DO UPDATE SET mode = excluded.mode,"
        " instance_arn = excluded.instance_arn, application_arn = excluded.application_arn,"
        " token_status = excluded.token_status, token_days = excluded.token_days,"
        " modified = excluded.modified",
        row.org,
        row.id,
        row.mode,
        row.instance_arn,
        row.application_arn,
        row.token_status,
        row.token_days,
        row.created,
        row.modified,
    )


def delete_provider(tx: Tx, *, org: str) -> bool:
    """Delete a configuration; False when there was none."""
    return tx.run("DELETE FROM identity_provider WHERE org = ?", org) == 1

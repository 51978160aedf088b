"""Rows of `organization_tag`: tags of organizations, read by IAM conditions too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workpost.store.database.unit import Reader, Tx, quick


@quick
def organization_tags(tx: Reader, organization: str) -> dict[str, str]:
    """The tags of an organization by key; at most 50 (a limit of the API)."""
    rows = tx.rows("SELECT key, value FROM organization_tag WHERE org = ?", organization)
    return dict(rows)


@quick
def tags_of(tx: Reader, *, account: str, organization: str) -> dict[str, str]:
    """The same, empty for an organization that is not the account's."""
    rows = tx.rows(
        "SELECT t.key, t.value FROM organization o JOIN organization_tag t ON t.org = o.id"
        " WHERE o.id = ? AND o.account = ?",
        organization,
        account,
    )
    return dict(rows)


def put_tags(tx: Tx, *, org: str, tags: Mapping[str, str]) -> None:
    """Add tags to an organization; those of a key that it has get another value."""
    tx.many(
        "INSERT INTO organization_tag (org, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (org, key) DO UPDATE SET value = excluded.value",
        [(org, key, value) for key, value in tags.items()],
    )


def delete_tags(tx: Tx, *, org: str, keys: Sequence[str]) -> None:
    """Take tags from an organization, as far as it has them."""
    tx.many("DELETE FROM organization_tag WHERE org = ? AND key = ?", [(org, key) for key in keys])

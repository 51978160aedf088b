"""Rows of `personal_access_token`.

Those of an identity provider configuration that is gone are dead: no query shows them, and a job
removes them in slices.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick


class TokenRow(msgspec.Struct, frozen=True):
    """A token without its secret; times in ms, `scopes` separated by spaces.

    `expires` None: never; `used` None: not yet.
    """

    org: str
    id: str
    entity: str
    identity: str
    provider: int
    name: str
    scopes: str
    digest: bytes
    created: int
    expires: int | None
    used: int | None


_COLUMNS = "org, id, entity, identity, provider, name, scopes, digest, created, expires, used"
_LIVING = (
    f"SELECT {', '.join('t.' + name for name in _COLUMNS.split(', '))}"
    " FROM personal_access_token t JOIN identity_provider p ON p.org = t.org AND p.id = t.provider"
)


def insert_token(tx: Tx, row: TokenRow) -> bool:
    """Insert a token; False when its id or its digest is taken."""
    return (
        tx.run(
            f"INSERT INTO personal_access_token ({_COLUMNS})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            row.org,
            row.id,
            row.entity,
            row.identity,
            row.provider,
            row.name,
            row.scopes,
            row.digest,
            row.created,
            row.expires,
            row.used,
        )
        == 1
    )


@quick
def find_token(tx: Reader, *, digest: bytes) -> TokenRow | None:
    """The token of this digest."""
    row = tx.row(f"{_LIVING} WHERE t.digest = ?", digest)
    return TokenRow(*row) if row is not None else None


@quick
def get_token(tx: Reader, *, org: str, token: str) -> TokenRow | None:
    """The token of this id."""
    row = tx.row(f"{_LIVING} WHERE t.org = ? AND t.id = ?", org, token)
    return TokenRow(*row) if row is not None else None


@quick
def list_tokens(tx: Reader, *, org: str, entity: str, after: str, limit: int) -> list[TokenRow]:
    """A page of tokens by id, of one user or ("") of all; `after` is the last id seen."""
    one = " AND t.entity = ?" if entity else ""
    rows = tx.rows(
        f"{_LIVING} WHERE t.org = ?{one} AND t.id > ? ORDER BY t.id LIMIT ?",
        org,
        *((entity,) if entity else ()),
        after,
        limit,
    )
    return [TokenRow(*row) for row in rows]


def count_tokens(tx: Reader, *, org: str, entity: str, now: int) -> int:
    """How many tokens a user has that have not expired."""
    row = tx.row(
        "SELECT COUNT(*) FROM personal_access_token t"
        " JOIN identity_provider p ON p.org = t.org AND p.id = t.provider"
        " WHERE t.org = ? AND t.entity = ? AND (t.expires IS NULL OR t.expires > ?)",
        org,
        entity,
        now,
    )
    return int(row[0]) if row is not None else 0


def delete_token(tx: Tx, *, org: str, token: str) -> bool:
    """Delete a token; False when there was none."""
    return tx.run("DELETE FROM personal_access_token WHERE org = ? AND id = ?", org, token) == 1


def delete_tokens_of(tx: Tx, *, org: str, entity: str) -> None:
    """Delete all tokens of a user; their number is limited."""
    tx.run("DELETE FROM personal_access_token WHERE org = ? AND entity = ?", org, entity)


def delete_dead_tokens(tx: Tx, *, org: str, limit: int) -> int:
    """Delete up to `limit` tokens of configurations that are gone; returns how many."""
    return tx.run(
        "DELETE FROM personal_access_token WHERE (org, id) IN"
        " (SELECT t.org, t.id FROM personal_access_token t"
        " LEFT JOIN identity_provider p ON p.org = t.org AND p.id = t.provider"
        " WHERE t.org = ? AND p.org IS NULL LIMIT ?)",
        org,
        limit,
    )


def delete_expired_tokens(tx: Tx, *, before: int, limit: int) -> int:
    """Delete up to `limit` tokens that expired before a time; returns how many."""
    return tx.run(
        "DELETE FROM personal_access_token WHERE (org, id) IN"
        " (SELECT org, id FROM personal_access_token WHERE expires < ? LIMIT ?)",
        before,
        limit,
    )


def note_use(tx: Tx, *, org: str, token: str, at: int, unless_after: int) -> None:
    """Note when a token was used, unless a use after `unless_after` is noted."""
    tx.run(
        "UPDATE personal_access_token SET used = ?"
        " WHERE org = ? AND id = ? AND (used IS NULL OR used <= ?)",
        at,
        org,
        token,
        unless_after,
    )

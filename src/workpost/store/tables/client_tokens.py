"""Rows of `client_token`: calls that were made once and may be repeated for a day."""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx, quick


def claim_client_token(
    tx: Tx, *, account: str, op: str, token: str, fingerprint: bytes, expires: int
) -> bool:
    """Take a token for this transaction; False when another call holds it, committed by now.

    Waits for a transaction that has taken it and is not at its end. An expired one is taken over.
    """
    return (
        tx.run(
            "INSERT INTO client_token (account, op, token, fingerprint, result, expires)"
            " VALUES (?, ?, ?, ?, NULL, ?) ON CONFLICT (account, op, token) DO UPDATE"
            " SET fingerprint = excluded.fingerprint, result = NULL, expires = excluded.expires"
            " WHERE client_token.expires <= ?",
            account,
            op,
            token,
            fingerprint,
            expires,
            tx.env.now(),
        )
        == 1
    )


def set_token_result(tx: Tx, *, account: str, op: str, token: str, result: bytes) -> None:
    """Keep what the call has answered."""
    tx.run(
        "UPDATE client_token SET result = ? WHERE account = ? AND op = ? AND token = ?",
        result,
        account,
        op,
        token,
    )


@quick
def get_client_token(
    tx: Reader, *, account: str, op: str, token: str
) -> tuple[bytes, bytes | None] | None:
    """Fingerprint and result of a token that has not expired."""
    row = tx.row(
        "SELECT fingerprint, result FROM client_token"
        " WHERE account = ? AND op = ? AND token = ? AND expires > ?",
        account,
        op,
        token,
        tx.env.now(),
    )
    return (row[0], row[1]) if row is not None else None


def delete_expired_tokens(tx: Tx, *, limit: int) -> int:
    """Forget up to `limit` expired tokens; returns how many there were."""
    return tx.run(
        "DELETE FROM client_token WHERE (account, op, token) IN"
        " (SELECT account, op, token FROM client_token WHERE expires <= ?"
        " ORDER BY expires LIMIT ?)",
        tx.env.now(),
        limit,
    )

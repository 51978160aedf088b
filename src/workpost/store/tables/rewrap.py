"""What rotation reads and rewrites: every column that is sealed or wrapped by a rotating key.

Pages go by primary key and return rows of all generations, so that a page has a bounded cost; the
caller picks those below the current generation. An UPDATE names the old value, so that a change
made meanwhile by someone else wins.
"""

from __future__ import annotations

from collections.abc import Sequence

from workpost.store.database.unit import Reader, Row, Tx, command

Rewrapped = tuple[int, bytes, bytes]
"""Row id, old value, new value."""


def mailboxes_of(tx: Reader, *, organization: str, after: int, limit: int) -> list[int]:
    """Ids of an organization's mailboxes above `after`."""
    rows = tx.rows(
        "SELECT id FROM mailbox WHERE org = ? AND id > ? ORDER BY id LIMIT ?",
        organization,
        after,
        limit,
    )
    return [int(row[0]) for row in rows]


def page_wraps(tx: Reader, *, mailbox: int, after: int, limit: int) -> list[Row]:
    """Rows (item, gen, wrapped content key) of a mailbox's summaries, by item."""
    return tx.rows(
        "SELECT item, gen, wrapped_content_key FROM summary WHERE mailbox = ? AND item > ?"
        " ORDER BY item LIMIT ?",
        mailbox,
        after,
        limit,
    )


def old_folders(tx: Reader, *, mailbox: int, below: int) -> list[Row]:
    """Rows (folder, gen, sealed name) of older generations."""
    return tx.rows(
        "SELECT id, gen, sealed FROM folder WHERE mailbox = ? AND gen < ?", mailbox, below
    )


def old_subscriptions(tx: Reader, *, mailbox: int, below: int) -> list[Row]:
    """Rows (name tag, gen, sealed name) of older generations."""
    return tx.rows(
        "SELECT name_tag, gen, sealed FROM subscription WHERE mailbox = ? AND gen < ?",
        mailbox,
        below,
    )


@command
def rewrap_summaries(tx: Tx, *, mailbox: int, gen: int, rows: list[Rewrapped]) -> None:
    """Replace wrapped content keys; the sealed summaries stay as they are."""
    tx.many(
        "UPDATE summary SET wrapped_content_key = ?, gen = ?"
        " WHERE mailbox = ? AND item = ? AND wrapped_content_key = ?",
        [(new, gen, mailbox, item, old) for item, old, new in rows],
    )


@command
def rewrap_names(
    tx: Tx,
    *,
    mailbox: int,
    gen: int,
    folders: list[Rewrapped],
    subscriptions: list[tuple[bytes, bytes, bytes]],
) -> None:
    """Replace the sealed names of folders (by id) and subscriptions (by tag)."""
    tx.many(
        "UPDATE folder SET sealed = ?, gen = ? WHERE mailbox = ? AND id = ? AND sealed = ?",
        [(new, gen, mailbox, folder, old) for folder, old, new in folders],
    )
    tx.many(
        "UPDATE subscription SET sealed = ?, gen = ?"
        " WHERE mailbox = ? AND name_tag = ? AND sealed = ?",
        [(new, gen, mailbox, tag, old) for tag, old, new in subscriptions],
    )


def page_queue(tx: Reader, *, organization: str, after: tuple[int, int], limit: int) -> list[Row]:
    """Rows (created, id, gen, wrapped key, sealed envelope) after (created, id)."""
    return tx.rows(
        "SELECT created, id, gen, wrapped_key, sealed_envelope FROM queue"
        " WHERE org = ? AND (created, id) > (?, ?) ORDER BY created, id LIMIT ?",
        organization,
        *after,
        limit,
    )


def queue_recipients(tx: Reader, *, queue: int) -> list[Row]:
    """Rows (n, sealed) of one entry."""
    return tx.rows("SELECT n, sealed FROM queue_rcpt WHERE queue = ? ORDER BY n", queue)


@command
def rewrap_queue(
    tx: Tx,
    *,
    queue: int,
    old_gen: int,
    gen: int,
    wrapped_key: bytes,
    sealed_envelope: bytes,
    recipients: list[Rewrapped],
) -> bool:
    """Reseal an entry with all of its recipients at once.

    False, and nothing is changed, while a recipient is leased (whoever holds it opened it with the
    old generation) or was changed.
    """
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    rows = tx.rows(
        f"SELECT n, sealed, state FROM queue_rcpt WHERE queue = ? ORDER BY n{lock}", queue
    )
    now = [(row[0], bytes(row[1])) for row in rows if row[2] != "leased"]
    if len(now) != len(rows) or now != [(n, old) for n, old, _ in recipients]:
        return False
    changed = tx.run(
        "UPDATE queue SET wrapped_key = ?, sealed_envelope = ?, gen = ? WHERE id = ? AND gen = ?",
        wrapped_key,
        sealed_envelope,
        gen,
        queue,
        old_gen,
    )
    if changed:
        tx.many(
            "UPDATE queue_rcpt SET sealed = ? WHERE queue = ? AND n = ?",
            [(new, queue, n) for n, _, new in recipients],
        )
    return bool(changed)


def page_access_keys(tx: Reader, *, after: str, limit: int) -> list[Row]:
    """Rows (id, account, gen, sealed secret), by id."""
    return tx.rows(
        "SELECT id, account, gen, sealed_secret FROM access_key WHERE id > ? ORDER BY id LIMIT ?",
        after,
        limit,
    )


@command
def rewrap_access_keys(tx: Tx, *, gen: int, rows: list[tuple[str, bytes, bytes]]) -> None:
    """Replace sealed secrets: (id, old value, new value)."""
    tx.many(
        "UPDATE access_key SET sealed_secret = ?, gen = ? WHERE id = ? AND sealed_secret = ?",
        [(new, gen, key, old) for key, old, new in rows],
    )


def page_organizations(tx: Reader, *, after: str, limit: int) -> list[Row]:
    """Rows (id, state) of organizations in any state, by id."""
    return tx.rows(
        "SELECT id, state FROM organization WHERE id > ? ORDER BY id LIMIT ?", after, limit
    )


def known_organizations(tx: Reader, *, ids: Sequence[str]) -> set[str]:
    """Those of the ids that have a row in any state."""
    return {org for org in ids if tx.row("SELECT 1 FROM organization WHERE id = ?", org)}


def known_mailboxes(tx: Reader, *, ids: Sequence[int]) -> set[int]:
    """Those of the ids that have a row in any state."""
    return {box for box in ids if tx.row("SELECT 1 FROM mailbox WHERE id = ?", box)}

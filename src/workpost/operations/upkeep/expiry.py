"""What is kept for a time and then forgotten.

Tombstones, trace events, the audit log, service logs that no log group took, expired personal
access tokens and ended exports for 90 days, client tokens and messages in transit for one, tokens
of impersonation roles for 15 minutes, what personal rules remember for as long as each says; that a
destination was not reached, a day after the last mail for it went.

Dropping a mailbox's tombstones raises its `floor_modseq`; a client whose token is older gets the
full-resync answer of its protocol (invariant 1). Everything is sliced and can be repeated.
"""

from __future__ import annotations

from workpost.domain.access.role_shell import expire_role_tokens
from workpost.domain.mailboxes.export_work import drop_exports
from workpost.domain.messages.transit import expire_messages
from workpost.domain.organizations.idempotency import expire_tokens
from workpost.operations.audit.reading import purge_audit
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import (
    access_tokens,
    events,
    gone,
    mailboxes,
    queue_routes,
    service_logs,
    sieve_memory,
)
from workpost.store.tables.jobs import database_now

DAY_MS = 24 * 3_600_000
KEPT_MS = 90 * DAY_MS
SLICE = 500


def mailboxes_with_old_tombstones(
    tx: Reader, *, after: int, before: int, limit: int
) -> tuple[list[int], int]:
    """Of the next `limit` mailboxes, those whose oldest tombstone is from before; the last id."""
    ids = mailboxes.ids_after(tx, after=after, limit=limit)
    old = [one for one in ids if _oldest(tx, one) < before]
    return old, ids[-1] if len(ids) == limit else 0


def _oldest(tx: Reader, mailbox: int) -> int:
    rows = gone.oldest(tx, mailbox=mailbox, limit=1)
    return int(rows[0][3]) if rows else 1 << 62


@command
def drop_tombstones(tx: Tx, *, mailbox: int, before: int) -> bool:
    """Drop one slice of a mailbox's tombstones; True when there may be more."""
    if mailboxes.lock_mailbox(tx, mailbox=mailbox) is None:
        return False
    rows = gone.oldest(tx, mailbox=mailbox, limit=SLICE)
    old = [row for row in rows if row[3] < before]
    if not old:
        return False
    gone.delete(tx, mailbox=mailbox, places=[(row[0], row[1], row[2]) for row in old])
    mailboxes.raise_floor(tx, mailbox=mailbox, modseq=max(row[0] for row in old))
    return len(old) == SLICE


@command
def drop_events(tx: Tx, *, before: int) -> int:
    """Drop one slice of old trace events; returns how many went."""
    return events.delete_events(tx, before=before, limit=SLICE)


@command
def drop_access_tokens(tx: Tx, *, before: int) -> int:
    """Drop one slice of the tokens that expired before a time; returns how many went."""
    return access_tokens.delete_expired_tokens(tx, before=before, limit=SLICE)


@command
def drop_service_logs(tx: Tx, *, before: int) -> int:
    """Drop one slice of lines that no log group took for so long; returns how many went."""
    return service_logs.delete_old_chunks(tx, before=before, limit=SLICE)


@command
def drop_troubles(tx: Tx) -> int:
    """Drop one slice of destinations that nothing waits for; returns how many went."""
    return queue_routes.forget_troubles(tx, before=database_now(tx) - DAY_MS, limit=SLICE)


async def expire(core: Core) -> int:
    """Forget everything that is old enough; returns how many slices of work there were."""
    before = core.env.now() - KEPT_MS
    slices = 0
    after = 0
    while True:
        old, after = await core.store.read(
            mailboxes_with_old_tombstones, after=after, before=before, limit=SLICE
        )
        for mailbox in old:
            while await core.store.write_background(
                drop_tombstones, mailbox=mailbox, before=before
            ):
                slices += 1
            slices += 1
        if not after:
            break
    while await core.store.write_background(drop_events, before=before):
        slices += 1
    while await core.store.write_background(drop_service_logs, before=before):
        slices += 1
    while await core.store.write_background(drop_access_tokens, before=before):
        slices += 1
    while await core.store.write_background(drop_troubles):
        slices += 1
    while await core.store.write_background(drop_exports, before=before):
        slices += 1
    while await core.store.write_background(expire_tokens):
        slices += 1
    while await core.store.write_background(expire_messages, limit=SLICE):
        slices += 1
    while await core.store.write_background(expire_role_tokens):
        slices += 1
    while await core.store.write_background(sieve_memory.drop_expired, limit=SLICE):
        slices += 1
    return slices + await purge_audit(core)

"""Removing all rows of a mailbox or an organization, a slice at a time.

A table that gets a column `org` or `mailbox` is named here, or the test of this module says why
not.
"""

from __future__ import annotations

from workpost.store.database.unit import Reader, Tx
from workpost.store.tables import contents

OF_MAILBOX: dict[str, str] = {
    "summary": "mailbox, item",
    "item_tag": "mailbox, kind, tag, item",
    "gone": "mailbox, modseq, folder, uid",
    "subscription": "mailbox, name_tag",
    "device": "mailbox, id",
    "folder": "mailbox, id",
    "sieve_script": "mailbox, name_tag",
    "sieve_memory": "mailbox, kind, tag",
    "out_of_office": "mailbox",
    "spam_lesson": "org, id",
}
"""Tables with a column `mailbox` and their primary keys; items go before them."""

OF_ORGANIZATION: dict[str, str] = {
    "address": "addr_fold",
    "event": "org, at, id",
    "email_monitoring": "org",
    "service_log": "org, at, id",
    "access_rule": "org, name",
    "device_rule": "org, id",
    "device_override": "org, entity, device_fold",
    "mobile_policy": "org",
    "impersonation_role": "org, id",
    "impersonation_token": "org, hash",
    "organization_tag": "org, key",
    "dkim_key": "org, domain, selector",
    "export_job": "org, id",
    "domain": "org, name",
    "personal_access_token": "org, id",
    "identity_provider": "org",
    "retention_policy": "org",
    "availability": "org, domain",
    "directory_entry": "org, guid",
    "directory_member": "org, grp, dn_fold",
    "directory_problem": "org, guid",
    "spam_model": "org",
    "spam_word": "org, word",
    "spam_judgement": "org, content",
    "spam_lesson": "org, id",
    "suppression": "org, tag",
    "sending_limit": "org, entity, name",
    "sent_by_user": "org, entity",
    "flow_rule": "org, id",
    "flow_policy": "org",
    "smtp_gateway": "org, id",
}
"""Tables with a column `org` whose rows go with the organization; queue, messages in transit
and mailboxes go before."""

OF_DIRECTORY: dict[str, str] = {
    "member": "org, grp, member",
    "delegate": "org, resource, delegate",
    "permission": "org, owner, grantee",
    "entity": "org, id",
}
"""Tables with a column `org` that make up the directory."""


def delete_items(tx: Tx, *, mailbox: int, limit: int) -> int:
    """Delete up to `limit` items of a mailbox, releasing their contents; returns how many."""
    rows = tx.rows(
        "DELETE FROM item WHERE (mailbox, folder, uid) IN"
        " (SELECT mailbox, folder, uid FROM item WHERE mailbox = ? LIMIT ?) RETURNING content",
        mailbox,
        limit,
    )
    contents.release_contents(tx, [bytes(row[0]) for row in rows])
    return len(rows)


def delete_of_mailbox(tx: Tx, *, table: str, mailbox: int, limit: int) -> int:
    """Delete up to `limit` rows of a mailbox from one table; returns how many."""
    key = OF_MAILBOX[table]
    return tx.run(
        f"DELETE FROM {table} WHERE ({key}) IN"
        f" (SELECT {key} FROM {table} WHERE mailbox = ? LIMIT ?)",
        mailbox,
        limit,
    )


def delete_of_organization(tx: Tx, *, table: str, org: str, limit: int) -> int:
    """Delete up to `limit` rows of an organization from one table; returns how many."""
    key = {**OF_ORGANIZATION, **OF_DIRECTORY}[table]
    return tx.run(
        f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE org = ? LIMIT ?)",
        org,
        limit,
    )


def move_directory(tx: Tx, *, table: str, org: str, to: str, limit: int) -> int:
    """Give up to `limit` rows of a directory table to another organization; returns how many."""
    key = OF_DIRECTORY[table]
    return tx.run(
        f"UPDATE {table} SET org = ? WHERE ({key}) IN"
        f" (SELECT {key} FROM {table} WHERE org = ? LIMIT ?)",
        to,
        org,
        limit,
    )


def delete_queue(tx: Tx, *, org: str, limit: int) -> int:
    """Delete up to `limit` queued messages of an organization; returns how many."""
    ids = [
        row[0]
        for row in tx.rows("SELECT id FROM queue WHERE org = ? ORDER BY id LIMIT ?", org, limit)
    ]
    lock = " FOR UPDATE" if tx.engine == "postgresql" else ""
    for each in ids:
        tx.rows(f"SELECT n FROM queue_rcpt WHERE queue = ? ORDER BY n{lock}", each)
    tx.many("DELETE FROM queue_rcpt WHERE queue = ?", [(each,) for each in ids])
    rows = [
        row
        for each in ids
        for row in tx.rows("DELETE FROM queue WHERE id = ? RETURNING id, content", each)
    ]
    contents.release_contents(tx, [bytes(row[1]) for row in rows])
    return len(rows)


def delete_in_transit(tx: Tx, *, org: str, limit: int) -> int:
    """Delete up to `limit` messages in transit of an organization; returns how many."""
    rows = tx.rows(
        "DELETE FROM in_transit WHERE (org, id) IN"
        " (SELECT org, id FROM in_transit WHERE org = ? LIMIT ?) RETURNING content",
        org,
        limit,
    )
    contents.release_contents(tx, [bytes(row[0]) for row in rows])
    return len(rows)


def next_mailbox(tx: Reader, *, org: str) -> int | None:
    """A mailbox of the organization that is still there."""
    row = tx.row("SELECT id FROM mailbox WHERE org = ? LIMIT 1", org)
    return int(row[0]) if row is not None else None


def delete_mailbox(tx: Tx, *, mailbox: int) -> None:
    """Delete the row of an emptied mailbox."""
    tx.run("DELETE FROM mailbox WHERE id = ?", mailbox)


def reset_entities(tx: Tx, *, org: str, limit: int) -> int:
    """Disable up to `limit` entities and take address and mailbox from them; returns how many.

    Deleted ones go for good, and first: nobody asks for their ids any more.
    """
    gone = tx.run(
        "DELETE FROM entity WHERE (org, id) IN"
        " (SELECT org, id FROM entity WHERE org = ? AND state = 'DELETED' LIMIT ?)",
        org,
        limit,
    )
    if gone == limit:
        return gone
    return gone + tx.run(
        "UPDATE entity SET state = 'DISABLED', primary_address = NULL, primary_fold = NULL,"
        " mailbox = NULL, enabled_at = NULL, disabled_at = NULL, provisioned_at = NULL,"
        " deprovisioned_at = NULL, forward = '', keeps_copy = 1, senders = ''"
        " WHERE (org, id) IN (SELECT org, id FROM entity WHERE org = ?"
        " AND (state <> 'DISABLED' OR mailbox IS NOT NULL OR enabled_at IS NOT NULL) LIMIT ?)",
        org,
        limit - gone,
    )


def delete_other_jobs(tx: Tx, *, org: str, id: int) -> None:
    """Delete the jobs of an organization but this one."""
    tx.run("DELETE FROM job WHERE org = ? AND id <> ?", org, id)

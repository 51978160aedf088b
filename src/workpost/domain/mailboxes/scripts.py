"""Queries and commands on the Sieve scripts of a mailbox. Names and texts arrive sealed."""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import (
    LimitExceeded,
    MailboxNotFound,
    ScriptActive,
    ScriptExists,
    ScriptNotFound,
)
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import mailboxes, sieve_scripts
from workpost.store.tables.sieve_scripts import ScriptRow, TextRow

MISSING = "There is no script of this name."


class SealedScript(msgspec.Struct, frozen=True):
    """A script made before the transaction; `size` in octets of its text."""

    name_tag: bytes
    sealed_name: bytes
    sealed: bytes
    gen: int
    size: int


def read_scripts(tx: Reader, *, grant: Grant) -> list[ScriptRow]:
    """All scripts, names sealed."""
    check_grant(tx, grant, Right.READ)
    return sieve_scripts.list_scripts(tx, mailbox=grant.mailbox)


@quick
def read_text(tx: Reader, *, grant: Grant, name_tag: bytes) -> TextRow:
    """The sealed text of one script. Raises ScriptNotFound."""
    check_grant(tx, grant, Right.READ)
    row = sieve_scripts.get_text(tx, mailbox=grant.mailbox, name_tag=name_tag)
    if row is None:
        raise ScriptNotFound(MISSING)
    return row


@quick
def check_space(tx: Reader, *, grant: Grant, name_tag: bytes, most: int) -> None:
    """Raise LimitExceeded when a script of this name would be one too many."""
    check_grant(tx, grant, Right.WRITE)
    if sieve_scripts.is_active(tx, mailbox=grant.mailbox, name_tag=name_tag) is not None:
        return
    if sieve_scripts.count_scripts(tx, mailbox=grant.mailbox) >= most:
        raise LimitExceeded(f"A mailbox has at most {most} scripts.")


def _lock(tx: Tx, grant: Grant) -> None:
    check_grant(tx, grant, Right.WRITE)
    row = mailboxes.lock_mailbox(tx, mailbox=grant.mailbox)
    if row is None or row.org != grant.organization or row.state != mailboxes.ACTIVE:
        raise MailboxNotFound("The mailbox is not available.")


def _is_active(tx: Reader, grant: Grant, name_tag: bytes) -> bool:
    active = sieve_scripts.is_active(tx, mailbox=grant.mailbox, name_tag=name_tag)
    if active is None:
        raise ScriptNotFound(MISSING)
    return active


@command
def put_script(tx: Tx, *, grant: Grant, script: SealedScript, most: int) -> None:
    """Insert or replace a script; `most` is how many a mailbox may have. Raises LimitExceeded."""
    _lock(tx, grant)
    check_space(tx, grant=grant, name_tag=script.name_tag, most=most)
    sieve_scripts.put_script(
        tx,
        mailbox=grant.mailbox,
        name_tag=script.name_tag,
        sealed_name=script.sealed_name,
        sealed=script.sealed,
        gen=script.gen,
        size=script.size,
    )


@command
def activate_script(tx: Tx, *, grant: Grant, name_tag: bytes | None) -> None:
    """Make a script the active one, None for none. Raises ScriptNotFound."""
    _lock(tx, grant)
    if name_tag is not None:
        _is_active(tx, grant, name_tag)
    sieve_scripts.set_active(tx, mailbox=grant.mailbox, name_tag=name_tag)


@command
def delete_script(tx: Tx, *, grant: Grant, name_tag: bytes) -> None:
    """Delete a script. Raises ScriptNotFound, ScriptActive."""
    _lock(tx, grant)
    if _is_active(tx, grant, name_tag):
        raise ScriptActive("The active script cannot be deleted.")
    sieve_scripts.delete_script(tx, mailbox=grant.mailbox, name_tag=name_tag)


@command
def rename_script(
    tx: Tx, *, grant: Grant, name_tag: bytes, old: bytes, script: SealedScript
) -> bool:
    """Give a script the name of `script`, which holds the same text sealed for its new place.

    False, and nothing is changed, when its sealed text is not `old` any more. Raises
    ScriptNotFound, ScriptExists.
    """
    _lock(tx, grant)
    row = read_text(tx, grant=grant, name_tag=name_tag)
    taken = sieve_scripts.is_active(tx, mailbox=grant.mailbox, name_tag=script.name_tag)
    if taken is not None:
        raise ScriptExists("There is a script of this name.")
    if row.sealed != old:
        return False
    sieve_scripts.rename_script(
        tx,
        mailbox=grant.mailbox,
        name_tag=name_tag,
        to=script.name_tag,
        sealed_name=script.sealed_name,
        sealed=script.sealed,
        gen=script.gen,
    )
    return True

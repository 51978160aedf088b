"""GetMailboxDetails and UpdateMailboxQuota: how large a user's mailbox is and may become.

The quota is enforced by the UPDATE that takes the mailbox's counter (`store/tables/mailboxes.py`):
at delivery, APPEND, COPY from elsewhere. One below the present size takes nothing away.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import require_enabled, resolve, resolve_existing
from workpost.domain.mailboxes.registration import MEGABYTE
from workpost.domain.organizations.state import begin, check_active, require_active
from workpost.kernel.errors import EntityNotFound, InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import mailboxes
from workpost.store.tables.entities import RESOURCE, USER, EntityRow

KINDS = (USER, RESOURCE)
"""Both have mailboxes; the API speaks of users, and a resource's mailbox can be as full."""


class MailboxDetails(msgspec.Struct, frozen=True):
    """Quota and size in bytes."""

    quota: int
    size: int


def _no_mailbox(row: EntityRow, identifier: str) -> EntityNotFound:
    return EntityNotFound(f"The {row.kind.lower()} {identifier} has no mailbox.")


@quick
def read_details(tx: Reader, *, grant: Grant, identifier: str) -> MailboxDetails:
    """The quota and size of an enabled user's mailbox. Raises EntityNotFound."""
    require_active(tx, grant)
    row = resolve(tx, grant.organization, identifier, kinds=KINDS)
    mailbox = mailboxes.get_mailbox(tx, mailbox=row.mailbox) if row.mailbox is not None else None
    if mailbox is None or mailbox.state != mailboxes.ACTIVE:
        raise _no_mailbox(row, identifier)
    return MailboxDetails(mailbox.quota, mailbox.bytes)


@command
def set_quota(tx: Tx, *, grant: Grant, identifier: str, quota: int) -> None:
    """Set the quota, in bytes, of an enabled user's mailbox.

    Raises EntityNotFound, EntityStateInvalid for a user who is not enabled.
    """
    begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier, kinds=KINDS)
    require_enabled(row, identifier)
    if row.mailbox is None:
        raise _no_mailbox(row, identifier)
    mailboxes.set_quota(tx, mailbox=row.mailbox, quota=quota)


async def get_mailbox_details(core: Core, grant: Grant, identifier: str) -> MailboxDetails:
    """The quota and size of a user's mailbox. Raises EntityNotFound."""
    return await core.store.read(read_details, grant=grant, identifier=identifier)


async def update_mailbox_quota(core: Core, grant: Grant, identifier: str, megabytes: int) -> None:
    """Set the quota of a user's mailbox, in MB of 2^20 bytes.

    Raises InvalidParameter over the largest one, EntityNotFound, EntityStateInvalid.
    """
    await core.store.read(check_active, grant=grant)
    largest = core.settings.limits.largest_mailbox_megabytes
    if megabytes > largest:
        raise InvalidParameter(f"A mailbox quota is at most {largest} MB.")
    await core.store.write(
        set_quota, grant=grant, identifier=identifier, quota=megabytes * MEGABYTE
    )

"""Destroying mailboxes 30 days after their deregistration."""

from __future__ import annotations

from workpost.domain.mailboxes import purge
from workpost.kernel.errors import OrganizationNotFound, OrganizationStateInvalid
from workpost.kernel.principal import Grant
from workpost.operations.jobs.runner import LEASE_MS, finish
from workpost.store.core import Core
from workpost.store.tables.jobs import Lease


async def schedule_purges(core: Core) -> None:
    """Make a job for each mailbox whose time is over."""
    await core.store.write_background(purge.schedule_purges)


async def purge_mailbox(core: Core, lease: Lease) -> None:
    """Handle `mailbox.purge`: shred the mailbox's keys, then remove what it held."""
    mailbox = int(lease.dedupe.partition("/")[2])
    grant = Grant.system("purge", lease.org)
    try:
        final = await core.store.write_background(
            purge.begin_purge, grant=grant, lease=lease, mailbox=mailbox
        )
    except (OrganizationNotFound, OrganizationStateInvalid):
        # The organization's deletion has destroyed, or will destroy, the mailbox.
        final = False
    if final:
        await core.keys.shred_mailbox(lease.org, mailbox)
        await remove_mailbox(core, lease, mailbox)
    await core.store.write_background(finish, lease=lease)


async def remove_mailbox(core: Core, lease: Lease, mailbox: int) -> None:
    """Remove the rows of a mailbox whose keys are gone. Raises Conflict when the lease is lost."""
    while not await core.store.write_background(
        purge.purge_slice, lease=lease, lease_ms=LEASE_MS, mailbox=mailbox
    ):
        pass

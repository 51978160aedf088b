"""Deleting organizations: keys, mailboxes, rows, in this order; taking over what is left."""

from __future__ import annotations

from workpost.domain.organizations import deletion, takeover
from workpost.operations.exports.outbox import abandon_exports
from workpost.operations.jobs.purging import remove_mailbox
from workpost.operations.jobs.runner import LEASE_MS
from workpost.store.core import Core
from workpost.store.tables import erasing
from workpost.store.tables.jobs import Lease


async def delete_organization(core: Core, lease: Lease) -> None:
    """Handle `organization.delete`. Raises Conflict when the lease is lost, TryLater."""
    plan = deletion.read_cursor(lease)
    await abandon_exports(core, lease)
    if not plan.shredded:
        await core.keys.shred_organization(lease.org)
        await core.store.write_background(deletion.note_shredded, lease=lease, lease_ms=LEASE_MS)
    while (mailbox := await core.store.read(erasing.next_mailbox, org=lease.org)) is not None:
        await remove_mailbox(core, lease, mailbox)
    while not await core.store.write_background(
        deletion.erase_slice, lease=lease, lease_ms=LEASE_MS, with_directory=plan.with_directory
    ):
        pass
    await core.store.write_background(
        deletion.finish_deletion, lease=lease, with_directory=plan.with_directory
    )


async def take_over_directory(core: Core, lease: Lease) -> None:
    """Handle `organization.take-over`. Raises Conflict when the lease is lost."""
    while not await core.store.write_background(
        takeover.take_over_slice, lease=lease, lease_ms=LEASE_MS
    ):
        pass

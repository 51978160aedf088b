"""Removing the personal access tokens of an identity provider configuration that is gone."""

from __future__ import annotations

from workpost.operations.jobs.runner import LEASE_MS, finish
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import access_tokens, jobs
from workpost.store.tables.jobs import Lease

SLICE = 500


@command
def forget_slice(tx: Tx, *, lease: Lease, lease_ms: int) -> bool:
    """Remove a slice of an organization's dead tokens; True when nothing is left.

    Raises Conflict when the lease is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    removed = access_tokens.delete_dead_tokens(tx, org=lease.org, limit=SLICE)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
    return removed < SLICE


async def forget_tokens(core: Core, lease: Lease) -> None:
    """Handle `identity.forget-tokens`. They are dead already: this only tidies up."""
    while not await core.store.write_background(forget_slice, lease=lease, lease_ms=LEASE_MS):
        pass
    await core.store.write_background(finish, lease=lease)

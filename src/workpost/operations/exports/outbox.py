"""From the names in an export to the bucket that they stand for, and what is left behind in it."""

from __future__ import annotations

import asyncio

from workpost.domain.mailboxes import export_work
from workpost.integrations.s3.depot import Depot, Refused
from workpost.integrations.s3.mapping import find_depot
from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.outside import find_key, find_role
from workpost.kernel.settings import Settings
from workpost.operations.exports.uploading import patiently
from workpost.operations.jobs.runner import LEASE_MS
from workpost.store.core import Core
from workpost.store.tables.exports import ExportRow
from workpost.store.tables.jobs import Lease

PATIENCE_SECONDS = 5.0
"""For a bucket to answer, while an organization is being deleted."""

log = logger("exports")


def open_depot(settings: Settings, row: ExportRow) -> Depot:
    """The bucket of an export, as the operator maps it now. Raises Refused."""
    outside = settings.outside
    key = find_key(outside, row.account, row.kms_key)
    role = find_role(outside, row.account, row.role)
    depot = None
    if key is not None and role is not None:
        depot = find_depot(settings, row.account, row.bucket, key=key, profile=role)
    if depot is None:
        raise Refused("the bucket, the KMS key or the role is not mapped any more")
    return depot


async def clear_uploads(depot: Depot, row: ExportRow, *, earlier: int) -> None:
    """Throw away what `earlier` attempts began: the upload in the row, and others of its name.

    A process that died between the beginning of an upload and the note of it leaves one of which
    only the bucket knows. Raises Refused, TryLater.
    """
    known = {row.upload} if row.upload else set()
    begun = await patiently(depot.unfinished, row.path) if earlier else []
    for upload in known.union(begun):
        await patiently(depot.abort, row.path, upload)


async def abandon_exports(core: Core, lease: Lease) -> None:
    """End all exports of an organization that is being deleted, and throw their uploads away.

    `lease` is of the job that deletes. A bucket that does not answer for some seconds keeps nobody
    from deleting the organization. Raises Conflict when the lease is lost.
    """
    while (row := await core.store.read(export_work.read_open, org=lease.org)) is not None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await clear_uploads(open_depot(core.settings, row), row, earlier=row.attempts)
        except (WorkpostError, TimeoutError) as error:
            log.warning("an upload is left behind", export=row.id, reason=str(error))
        await core.store.write_background(
            export_work.abandon, lease=lease, lease_ms=LEASE_MS, id=row.id
        )

"""Looking after the buckets that functions fill."""

from __future__ import annotations

import asyncio

from workpost.integrations.s3.folder import FolderDepot
from workpost.integrations.s3.mapping import find_depot
from workpost.kernel.logging import logger
from workpost.kernel.outside import FOLDER
from workpost.store.core import Core

log = logger("functions")


async def sweep_buckets(core: Core) -> None:
    """Throw away what was begun and not completed, in each mapped folder; a part of upkeep."""
    for entry in core.settings.outside.buckets:
        account, bucket, kind = entry.split()[:3]
        if kind != FOLDER:
            continue
        depot = find_depot(core.settings, account, bucket, bounded=True)
        assert isinstance(depot, FolderDepot)
        try:
            await asyncio.to_thread(depot.usage.sweep)
        except OSError as error:
            log.warning("a bucket's folder cannot be read", bucket=bucket, reason=error.strerror)

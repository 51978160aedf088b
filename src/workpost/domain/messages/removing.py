"""Removing messages and folders: in slices, what lay in Deleted Items stays recoverable."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import changes, queries, recovering
from workpost.domain.messages.changes import SLICE
from workpost.domain.messages.keeping import Keep
from workpost.kernel.errors import FolderNotFound, WorkpostError
from workpost.kernel.principal import Grant
from workpost.store.core import Core

log = logging.getLogger("workpost.messages")

PAGE = 500


async def expunge(
    core: Core, grant: Grant, folder: int, uids: Sequence[int] | None = None
) -> list[int]:
    """Remove the messages with \\Deleted, of `uids` only when given; returns the uids removed.

    What lay in Deleted Items stays recoverable for a time (`recovering`).
    """
    if uids is None:
        uids = await _deleted(core, grant, folder)
    keep = _keep(core, grant)
    return await _remove(core, grant, folder, uids, only_deleted=True, keep=keep)


def _keep(core: Core, grant: Grant) -> Keep:
    return Keep(grant.organization, core.settings.retention.recoverable_days)


async def _deleted(core: Core, grant: Grant, folder: int) -> list[int]:
    found: list[int] = []
    low = 1
    while True:
        page = await core.store.read(
            queries.deleted_uids, grant=grant, folder=folder, low=low, high=2**32, limit=PAGE
        )
        found += page
        if len(page) < PAGE:
            return found
        low = page[-1] + 1


async def withdraw(core: Core, grant: Grant, folder: int, uids: Sequence[int]) -> None:
    """Remove messages for good, \\Deleted or not: what a COPY placed before it failed."""
    await _remove(core, grant, folder, uids, only_deleted=False)


async def _remove(
    core: Core,
    grant: Grant,
    folder: int,
    uids: Sequence[int],
    *,
    only_deleted: bool,
    keep: Keep | None = None,
) -> list[int]:
    removed: list[int] = []
    for start in range(0, len(uids), SLICE):
        some = list(uids[start : start + SLICE])
        try:
            removed += await _remove_slice(core, grant, folder, some, only_deleted, keep)
        except FolderNotFound:
            await recovering.make_folder(core, grant)
            removed += await _remove_slice(core, grant, folder, some, only_deleted, keep)
    return removed


async def _remove_slice(
    core: Core, grant: Grant, folder: int, uids: list[int], only_deleted: bool, keep: Keep | None
) -> list[int]:
    return await core.store.write(
        changes.remove,
        grant=grant,
        folder=folder,
        uids=uids,
        only_deleted=only_deleted,
        keep=keep,
    )


async def delete_folder(core: Core, grant: Grant, path: str) -> None:
    """Delete a folder with what it holds: out of sight at once, emptied in slices.

    Raises FolderNotFound, FolderProtected, FolderHasChildren. Once it is out of sight it counts as
    deleted: what a crash, or an error, leaves of it upkeep removes (`finish_deletion`).
    """
    folder = await mailboxes.hide_folder(core, grant, path)
    try:
        await finish_deletion(core, grant, folder.id)
    except WorkpostError as error:
        log.warning("the deletion of a folder is left to upkeep: %r", error)


async def finish_deletion(core: Core, grant: Grant, folder: int) -> None:
    """Empty a hidden folder and remove its row; of one from Deleted Items the items are kept."""
    while True:
        page = await core.store.read(
            queries.uids_after, grant=grant, folder=folder, after=0, limit=SLICE
        )
        if not page:
            break
        try:
            await core.store.write_background(
                changes.remove,
                grant=grant,
                folder=folder,
                uids=page,
                only_deleted=False,
                keep=_keep(core, grant),
            )
        except FolderNotFound:
            await recovering.make_folder(core, grant)
    await core.store.write_background(changes.remove_folder, grant=grant, folder=folder)

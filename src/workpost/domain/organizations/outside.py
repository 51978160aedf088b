"""Organizations whose users and groups are read from a directory outside."""

from __future__ import annotations

import msgspec

from workpost.kernel.errors import DirectoryInUse
from workpost.store.database.unit import Reader, Tx, quick
from workpost.store.tables import jobs, organizations
from workpost.store.tables.organizations import DELETED

SYNC = "directory.sync"
"""Kind of the job that reads the directory, again and again; one for each organization."""


class OutsideDirectory(msgspec.Struct, frozen=True):
    """What an organization keeps of its directory for good."""

    kind: str
    interoperability: bool


@quick
def check_unused(tx: Reader, *, account: str, directory_id: str) -> None:
    """Raise DirectoryInUse while another organization, not deleted, uses a directory."""
    found = organizations.find_directory(tx, account=account, directory_id=directory_id)
    if any(state != DELETED for _, _, state, _ in found):
        raise DirectoryInUse(f"The directory {directory_id} is used by another organization.")


def dedupe_of(organization: str) -> str:
    """What an organization's job is known by."""
    return f"sync/{organization}"


def begin_reading(tx: Tx, organization: str) -> None:
    """Make the job that reads the directory, now and then."""
    jobs.insert_job(
        tx,
        id=tx.env.new_id(),
        org=organization,
        kind=SYNC,
        dedupe=dedupe_of(organization),
        due=tx.env.now(),
    )

"""A directory that outlives its organization (DeleteDirectory false) and is taken over by another.

The new organization has the alias of the old one and belongs to the same account. Its users, groups
and resources are disabled and keep names, passwords, memberships and ids; mailboxes, addresses and
mail went with the old organization. A job moves the rows in slices; until then the new organization
is "Creating".
"""

from __future__ import annotations

from workpost.domain.organizations.state import change_policy
from workpost.kernel.errors import DirectoryInUse, DirectoryUnavailable, InvalidParameter
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import erasing, jobs, organizations
from workpost.store.tables.jobs import Lease
from workpost.store.tables.organizations import DELETED

TAKE_OVER = "organization.take-over"
"""Kind of the job; its cursor is the id of the deleted organization."""
SLICE = 250


@quick
def find_left_directory(tx: Reader, *, account: str, alias: str, directory_id: str) -> str:
    """The deleted organization that has left a directory behind.

    Raises DirectoryInUse, DirectoryUnavailable for one that the account does not have,
    InvalidParameter for another alias than the directory's.
    """
    found = organizations.find_directory(tx, account=account, directory_id=directory_id)
    if any(state != DELETED for _, _, state, _ in found):
        raise DirectoryInUse(f"The directory {directory_id} is used by another organization.")
    for organization, name, _, left in found:
        if left:
            if name != alias:
                raise InvalidParameter(
                    f"The alias of the directory {directory_id} is {name}; use the same."
                )
            return organization
    raise DirectoryUnavailable(f"The account has no directory {directory_id}.")


def begin_takeover(tx: Tx, organization: str, left_by: str) -> None:
    """Reserve the directory and make the job that moves it. Raises DirectoryInUse."""
    if not organizations.take_directory(tx, organization=left_by):
        raise DirectoryInUse("The directory is used by another organization.")
    jobs.insert_job(
        tx,
        id=tx.env.new_id(),
        org=organization,
        kind=TAKE_OVER,
        dedupe=f"take-over/{organization}",
        due=tx.env.now(),
        cursor=left_by.encode(),
    )


@command
def take_over_slice(tx: Tx, *, lease: Lease, lease_ms: int) -> bool:
    """Move a slice of the directory; the last one makes the organization active: True.

    Raises Conflict when the lease is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    source = (lease.cursor or b"").decode()
    moved = 0
    for table in erasing.OF_DIRECTORY:
        if moved < SLICE:
            moved += erasing.move_directory(
                tx, table=table, org=source, to=lease.org, limit=SLICE - moved
            )
    if moved == SLICE:
        jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
        return False
    for organization in (source, lease.org):
        organizations.recount_users(tx, organization=organization)
    organizations.complete_organization(tx, organization=lease.org)
    change_policy(tx, lease.org)
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)
    return True

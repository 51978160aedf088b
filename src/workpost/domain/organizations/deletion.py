"""DeleteOrganization: all access ends at once, a durable job does the rest.

`begin_deletion` ends access and makes the job. The job (`operations/jobs`) shreds the keys, removes
mailboxes and rows slice by slice, and `finish_deletion` frees the alias. What is left is a
tombstone that DescribeOrganization and ListOrganizations go on showing, and with DeleteDirectory
false the directory, for another organization of the account to take over.
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.idempotency import ClientToken, with_token
from workpost.domain.organizations.state import (
    change_policy,
    get_organization,
    not_active,
)
from workpost.kernel.errors import OrganizationStateInvalid
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Tx, command
from workpost.store.tables import domains, entities, erasing, identities, jobs, organizations
from workpost.store.tables.jobs import Lease
from workpost.store.tables.organizations import DELETED, DELETING

DELETE = "organization.delete"
"""Kind of the job; its dedupe is `delete/<organization>`."""
SLICE = 250


class Deletion(msgspec.Struct, frozen=True):
    """The job's cursor."""

    with_directory: bool
    shredded: bool = False


def read_cursor(lease: Lease) -> Deletion:
    """How far the job has come."""
    return msgspec.json.decode(lease.cursor or b'{"with_directory":true}', type=Deletion)


@command
def begin_deletion(
    tx: Tx,
    *,
    grant: Grant,
    force: bool,
    with_directory: bool = True,
    with_application: bool = False,
    token: ClientToken | None = None,
) -> str:
    """End all access to the organization and return its state; a repeat changes nothing.

    A repeated `token` is told the same, also when the organization is deleted by now. Raises
    OrganizationNotFound, OrganizationStateInvalid for a deleted organization, and for one with
    enabled users unless `force`, InvalidParameter for a token that came with other parameters.
    """
    return with_token(
        tx, token, str, lambda: _begin(tx, grant, force, with_directory, with_application)
    )


def _begin(tx: Tx, grant: Grant, force: bool, with_directory: bool, with_application: bool) -> str:
    row = get_organization(tx, grant)
    outside = bool(row.directory_kind)
    # One whose directory cannot be read is "Creating" for as long; it need not stay for ever.
    taken = organizations.take_gal_modseq(tx, organization=row.id, account="", creating=outside)
    if taken is None:
        # Read again: it may be another deletion that had the lock.
        state = get_organization(tx, grant).state
        if state == DELETING:
            return state
        raise not_active(row.id, state)
    if not force and entities.has_enabled_users(tx, org=row.id):
        raise OrganizationStateInvalid(
            f"Organization {row.id} has enabled users; disable them or set ForceDelete."
        )
    organizations.set_state(tx, organization=row.id, state=DELETING)
    domains.delete_domains(tx, org=row.id)
    provider = identities.get_provider(tx, org=row.id) if with_application else None
    if provider is not None:
        identities.delete_application(tx, account=row.account, arn=provider.application_arn)
    change_policy(tx, row.id)
    jobs.insert_job(
        tx,
        id=tx.env.new_id(),
        org=row.id,
        kind=DELETE,
        dedupe=f"delete/{row.id}",
        due=tx.env.now(),
        # Nothing is ever deleted in a directory outside; what was read there goes in any case.
        cursor=msgspec.json.encode(Deletion(with_directory or outside)),
    )
    return DELETING


@command
def note_shredded(tx: Tx, *, lease: Lease, lease_ms: int) -> None:
    """Note in the job that the keys are destroyed. Raises Conflict when the lease is lost."""
    cursor = msgspec.structs.replace(read_cursor(lease), shredded=True)
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=msgspec.json.encode(cursor),
        progress=lease.progress,
        lease_ms=lease_ms,
    )


@command
def erase_slice(tx: Tx, *, lease: Lease, lease_ms: int, with_directory: bool) -> bool:
    """Remove a slice of the organization's rows; True when nothing is left.

    A directory that stays loses addresses, mailboxes and states. Raises Conflict when the lease
    is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    org = lease.org
    removed = erasing.delete_queue(tx, org=org, limit=SLICE)
    if removed < SLICE:
        removed += erasing.delete_in_transit(tx, org=org, limit=SLICE - removed)
    tables = [*erasing.OF_ORGANIZATION, *(erasing.OF_DIRECTORY if with_directory else ())]
    for table in tables:
        if removed < SLICE:
            removed += erasing.delete_of_organization(
                tx, table=table, org=org, limit=SLICE - removed
            )
    if removed < SLICE and not with_directory:
        removed += erasing.reset_entities(tx, org=org, limit=SLICE - removed)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
    return removed < SLICE


@command
def finish_deletion(tx: Tx, *, lease: Lease, with_directory: bool) -> None:
    """Turn the organization into a tombstone; its alias is free. Ends the job.

    Raises Conflict when the lease is lost.
    """
    organizations.recount_users(tx, organization=lease.org)
    organizations.set_left_directory(tx, organization=lease.org, left=not with_directory)
    organizations.set_state(tx, organization=lease.org, state=DELETED)
    erasing.delete_other_jobs(tx, org=lease.org, id=lease.id)
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)

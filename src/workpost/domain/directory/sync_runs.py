"""The life of an organization's synchronizations: begin one, go on, end it, tell what went wrong.

The cursor of the job says how far the work is. A run that is cut short begins its phase again:
what was written already is the same by its stamp, and costs a look.
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.outside import dedupe_of
from workpost.domain.organizations.state import change_policy, get_organization
from workpost.kernel.errors import Conflict, OrganizationNotFound, Unsupported
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import directory_entries, jobs, organizations
from workpost.store.tables.directory_entries import ProblemRow
from workpost.store.tables.jobs import Lease
from workpost.store.tables.organizations import CREATING

USERS, GROUPS, MEMBERS, REMOVALS = "users", "groups", "members", "removals"
PHASES = (USERS, GROUPS, MEMBERS, REMOVALS)


class Run(msgspec.Struct, frozen=True):
    """The job's cursor. `since`, `begun` and `until` are stamps of change.

    `full` reads everything; the others read what was changed at `since` or after it. `begun` is a
    stamp that no later change can have, from when the run began, "" where nobody knows one;
    `until` the latest that it met. `source` names what the stamps mean something to: the server,
    and what is asked of it.
    """

    number: int = 0
    full: bool = True
    phase: str = ""
    """"" between two runs."""
    since: str = ""
    begun: str = ""
    until: str = ""
    source: str = ""
    full_at: int = 0
    """When the last full run ended, in ms."""
    collided: bool = False
    """An entry met one in its way that may be gone; the next run is full."""
    failures: int = 0
    """Runs since the last one that ended well."""


_runs = msgspec.json.Decoder(Run)


def read_run(lease: Lease) -> Run:
    """How far the job has come."""
    return _runs.decode(lease.cursor or b"{}")


def begin_sync(tx: Tx, lease: Lease, lease_ms: int) -> int:
    """First statement of every slice of a run: the new gal_modseq.

    Raises Conflict when the lease is lost, OrganizationNotFound when the organization is being
    deleted or gone.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    version = organizations.take_gal_modseq(tx, organization=lease.org, account="", creating=True)
    if version is None:
        raise OrganizationNotFound(f"The organization {lease.org} is gone.")
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
    return version


@command
def keep_lease(tx: Tx, *, lease: Lease, lease_ms: int) -> None:
    """Hold the lease while the directory is slow. Raises Conflict when it is lost."""
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)


@command
def save_run(tx: Tx, *, lease: Lease, lease_ms: int, run: Run) -> None:
    """Note how far a run is. Raises Conflict when the lease is lost, OrganizationNotFound."""
    begin_sync(tx, lease, lease_ms)
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=msgspec.json.encode(run),
        progress=PHASES.index(run.phase),
        lease_ms=lease_ms,
    )


@command
def finish_run(tx: Tx, *, lease: Lease, lease_ms: int, run: Run, due: int) -> None:
    """End a run: the organization is active, the next run is due at `due`.

    Raises Conflict when the lease is lost, OrganizationNotFound.
    """
    begin_sync(tx, lease, lease_ms)
    if run.full:
        directory_entries.delete_problems_before(tx, org=lease.org, run=run.number)
    organizations.set_error(tx, organization=lease.org, error=None)
    facts = organizations.get_directory(tx, organization=lease.org)
    if facts is not None and facts.state == CREATING:
        organizations.complete_organization(tx, organization=lease.org)
        change_policy(tx, lease.org)
    ended = msgspec.structs.replace(
        run,
        phase="",
        # What was changed after its page was read is later than the beginning, and maybe earlier
        # than the latest stamp that was met.
        since=run.begun or run.until or run.since,
        failures=0,
        full_at=tx.env.now() if run.full else run.full_at,
    )
    _put_back(tx, lease, lease_ms, ended, due)


@command
def fail_run(tx: Tx, *, lease: Lease, lease_ms: int, run: Run, error: str, due: int) -> None:
    """Put a run off that the directory did not let end; the organization says why.

    Raises Conflict when the lease is lost, OrganizationNotFound.
    """
    begin_sync(tx, lease, lease_ms)
    organizations.set_error(tx, organization=lease.org, error=error)
    _put_back(tx, lease, lease_ms, run, due)


def _put_back(tx: Tx, lease: Lease, lease_ms: int, run: Run, due: int) -> None:
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=msgspec.json.encode(run),
        progress=0,
        lease_ms=lease_ms,
    )
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=due)


@command
def hasten_run(tx: Tx, *, grant: Grant, full: bool) -> None:
    """Let the next run be due now, and `full` if that is asked for.

    Raises OrganizationNotFound, Unsupported for an organization with a directory of its own,
    Conflict while a run is on its way.
    """
    row = get_organization(tx, grant)
    if not row.directory_kind:
        raise Unsupported(f"The organization {row.id} has a directory of its own.")
    dedupe = dedupe_of(row.id)
    if full:
        cursor = jobs.get_waiting_cursor(tx, dedupe=dedupe)
        if cursor is None:
            raise Conflict("The directory is being read at the moment.")
        run = msgspec.structs.replace(_runs.decode(cursor or b"{}"), full_at=0)
        jobs.set_waiting_cursor(tx, dedupe=dedupe, cursor=msgspec.json.encode(run))
    jobs.hasten_job(tx, dedupe=dedupe, due=tx.env.now())


def list_problems(tx: Reader, *, organization: str, limit: int) -> list[ProblemRow]:
    """Entries of the directory that cannot be users or groups here, and why."""
    return directory_entries.list_problems(tx, org=organization, limit=limit)

"""The job `directory.sync`: users, then groups, then members, then, in a full run, who is gone.

A page of the directory is in memory at a time, and of a group the members of one answer. It is
written in slices of some entries each. A full run is needed to find who is gone; the runs between
ask for what was changed since (modifyTimestamp, uSNChanged).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from workpost.domain.directory import member_sync, sync_runs, synchronizing
from workpost.domain.directory.external import Source, open_source
from workpost.domain.directory.imported import ACTIVE, Unusable, Wanted
from workpost.domain.directory.sync_runs import GROUPS, MEMBERS, PHASES, USERS, Run
from workpost.domain.mailboxes import departures
from workpost.formats.ldap import is_later, is_stamp, write_time
from workpost.integrations.ldap.base import Found, Values
from workpost.kernel.errors import (
    DirectoryAuthenticationFailed,
    DirectoryUnavailable,
    OrganizationNotFound,
    WorkpostError,
)
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.operations.jobs.runner import LEASE_MS, RETRY_MS, finish
from workpost.store.core import Core
from workpost.store.tables import organizations
from workpost.store.tables.entities import GROUP, USER
from workpost.store.tables.jobs import Lease

KINDS = {USERS: USER, GROUPS: GROUP}
BEAT_SECONDS = 5.0
SKEW_MS = 10 * 60 * 1000
"""How far the clock of a server that writes times may be behind ours."""
MOST_DOUBLINGS = 10
FEW = 10
"""So many entries may always be gone at once."""

RUNS = counter("workpost_directory_syncs_total", "Synchronizations of directories.", "result")
PROBLEMS = counter(
    "workpost_directory_problems_total", "Entries that cannot be users or groups here."
)
log = logger("directories")


async def sync_directory(core: Core, lease: Lease) -> None:
    """Handle `directory.sync`. Raises Conflict when the lease is lost, TryLater."""
    work = _Sync(core, lease)
    try:
        await work.work()
    except OrganizationNotFound:
        await core.store.write_background(finish, lease=lease)
    except (DirectoryUnavailable, DirectoryAuthenticationFailed) as error:
        RUNS.labels("failed").inc()
        log.warning("a directory was not read", organization=lease.org, reason=error.message)
        await work.fail(error.message)


async def _begin(core: Core, source: Source, run: Run) -> Run:
    """The next run; full when the last full one is long ago, or when stamps have lost meaning."""
    now = core.env.now()
    server = ""
    begun = write_time(now - SKEW_MS)
    if source.settings.kind == ACTIVE:
        # Each domain controller counts changes by itself ([MS-ADTS] 3.1.1.1.9).
        root = await source.threads.root(["dsServiceName", "highestCommittedUSN"])
        server = _first(root, "dsservicename")
        begun = _first(root, "highestcommittedusn")
    name = source.reading.digest(server)
    age = now - run.full_at
    full = (
        not run.full_at
        or run.collided
        or not run.since
        or run.source != name
        or age >= source.settings.full_sync_seconds * 1000
    )
    return msgspec.structs.replace(
        run,
        number=run.number + 1,
        full=full,
        phase=USERS,
        begun=begun if is_stamp(begun) else "",
        until=run.since,
        source=name,
        collided=False,
    )


def _first(values: Values, name: str) -> str:
    return next((bytes(value).decode("utf-8", "replace") for value in values.get(name, ())), "")


class _Sync:
    """One run over one directory."""

    def __init__(self, core: Core, lease: Lease) -> None:
        self._core = core
        self._lease = lease
        self._run = sync_runs.read_run(lease)
        self._directory = ""
        self._removed = False
        self._displaced = False
        self._source: Source

    async def work(self) -> None:
        """Begin a run or go on with one; the lease is held while the directory takes its time."""
        facts = await self._core.store.read(
            organizations.get_directory, organization=self._lease.org
        )
        if facts is None:
            raise OrganizationNotFound(f"The organization {self._lease.org} is gone.")
        self._directory = facts.id
        self._source = open_source(self._core, facts.id)
        beat = asyncio.create_task(self._beat())
        try:
            if not self._run.phase:
                self._run = await _begin(self._core, self._source, self._run)
            for phase in PHASES[PHASES.index(self._run.phase) :]:
                await self._go_through(phase)
            await self._finish()
        finally:
            beat.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            # Where the lease is lost the next slice says so; a store that is busy may not be soon.
            with contextlib.suppress(WorkpostError):
                await self._core.store.write_background(
                    sync_runs.keep_lease, lease=self._lease, lease_ms=LEASE_MS
                )

    async def _go_through(self, phase: str) -> None:
        self._run = msgspec.structs.replace(self._run, phase=phase)
        await self._save()
        if phase in KINDS:
            await self._entries(KINDS[phase])
        elif phase == MEMBERS:
            await self._members()
        elif self._run.full:
            await self._removals()

    async def fail(self, error: str) -> None:
        """Put the run off, each time for longer; the organization says why."""
        failures = self._run.failures + 1
        settings = self._core.settings.directories.get(self._directory)
        most = settings.sync_seconds * 1000 if settings is not None else RETRY_MS
        wait = min(RETRY_MS << min(failures - 1, MOST_DOUBLINGS), max(most, RETRY_MS))
        try:
            await self._core.store.write_background(
                sync_runs.fail_run,
                lease=self._lease,
                lease_ms=LEASE_MS,
                run=msgspec.structs.replace(self._run, phase="", failures=failures),
                error=error,
                due=self._core.env.now() + wait,
            )
        except OrganizationNotFound:
            await self._core.store.write_background(finish, lease=self._lease)

    async def _save(self) -> None:
        await self._core.store.write_background(
            sync_runs.save_run, lease=self._lease, lease_ms=LEASE_MS, run=self._run
        )

    async def _finish(self) -> None:
        # Whoever was in the way may have been removed: then one more run finds the way free.
        again = self._displaced or (self._run.collided and (not self._run.full or self._removed))
        self._run = msgspec.structs.replace(self._run, collided=again)
        seconds = 0 if again else self._source.settings.sync_seconds
        await self._core.store.write_background(
            sync_runs.finish_run,
            lease=self._lease,
            lease_ms=LEASE_MS,
            run=self._run,
            due=self._core.env.now() + seconds * 1000,
        )
        RUNS.labels("full" if self._run.full else "changes").inc()

    def _pages(self, kind: str, attributes: list[str]) -> AsyncIterator[list[Found]]:
        reading = self._source.reading
        since = "" if self._run.full else self._run.since
        wanted = reading.filter(kind, since=since)
        return self._source.threads.pages(reading.base(kind), wanted, attributes)

    async def _entries(self, kind: str) -> None:
        reading = self._source.reading
        async for page in self._pages(kind, reading.wanted(kind)):
            for start in range(0, len(page), synchronizing.SLICE):
                await self._apply(kind, page[start : start + synchronizing.SLICE])

    async def _apply(self, kind: str, found: list[Found]) -> None:
        reading = self._source.reading
        # In a thread: how many values an entry has is up to others, and people are served here.
        read = await asyncio.to_thread(lambda: [reading.entry(kind, one) for one in found])
        applied = await self._core.store.write_background(
            synchronizing.apply_slice,
            lease=self._lease,
            lease_ms=LEASE_MS,
            run=self._run.number,
            full=self._run.full,
            limit=self._core.settings.limits.users_per_organization,
            wanted=[one for one in read if isinstance(one, Wanted)],
            unusable=[one for one in read if isinstance(one, Unusable)],
        )
        if applied.problems:
            PROBLEMS.inc(applied.problems)
        until = self._run.until
        for one in found:
            changed = reading.changed(one)
            until = changed if is_later(changed, until) else until
        self._displaced = self._displaced or bool(applied.displaced)
        collided = self._run.collided or bool(applied.collisions)
        self._run = msgspec.structs.replace(self._run, until=until, collided=collided)

    async def _members(self) -> None:
        reading = self._source.reading
        attributes = [reading.attributes["id"], reading.attributes["member"]]
        async for page in self._pages(GROUP, attributes):
            for found in page:
                await self._group(reading.guid(found), found)

    async def _group(self, guid: str, found: Found) -> None:
        reading = self._source.reading
        # In a thread: OpenLDAP sends all members of a group at once.
        names, following = await asyncio.to_thread(reading.members, found)
        while await self._note(guid, names) and following:
            rest = await self._source.threads.read(found.dn, [following])
            if rest is None:
                break
            names, following = await asyncio.to_thread(reading.members, rest)
        write = self._core.store.write_background
        lease, number = self._lease, self._run.number
        after = ""
        while after := await write(
            member_sync.enter_members,
            lease=lease,
            lease_ms=LEASE_MS,
            run=number,
            guid=guid,
            after=after,
        ):
            pass
        while after := await write(
            member_sync.leave_members, lease=lease, lease_ms=LEASE_MS, guid=guid, after=after
        ):
            pass

    async def _note(self, guid: str, names: list[str]) -> bool:
        """Note names of members; False when the entry is no group here."""
        for start in range(0, len(names), member_sync.MEMBERS):
            noted = await self._core.store.write_background(
                member_sync.note_members,
                lease=self._lease,
                lease_ms=LEASE_MS,
                run=self._run.number,
                guid=guid,
                names=names[start : start + member_sync.MEMBERS],
            )
            if not noted:
                return False
        return True

    async def _removals(self) -> None:
        counted = await self._core.store.read(
            departures.count_unmet, org=self._lease.org, run=self._run.number
        )
        allowed = self._source.settings.removals_percent
        # A server says so too where we may read nothing any more, or it was set up anew.
        for kind, (known, gone) in counted.items():
            if 1 < known == gone and allowed < 100:
                raise DirectoryUnavailable(
                    f"All {known} {kind.lower()}s are gone at once; if that is meant, set"
                    " removals_percent of the directory to 100."
                )
        known, gone = (sum(numbers) for numbers in zip((0, 0), *counted.values(), strict=True))
        if gone > FEW and gone * 100 > known * allowed:
            raise DirectoryUnavailable(
                f"{gone} of {known} entries are gone at once, more than {allowed} percent; if that"
                " is meant, raise removals_percent of the directory."
            )
        while await self._core.store.write_background(
            departures.remove_unmet,
            lease=self._lease,
            lease_ms=LEASE_MS,
            run=self._run.number,
        ):
            self._removed = True

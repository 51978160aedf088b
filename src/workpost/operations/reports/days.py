"""Tells other domains once a day what was counted for them: a job for each day and kind.

The job goes through the domains in order. What a domain is told by mail is put in the queue in the
transaction that removes the counts and moves the job's cursor, so nobody is told twice. A domain
that cannot be asked or told now is tried again every hour, until noon.

Strangers choose what the DNS is asked: domains are looked up side by side, each for a few seconds,
and the job gives itself back after a while, so that other jobs have their turn. It has so many
turns and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from workpost.domain.messages.delivery import Outgoing, insert_outgoing
from workpost.kernel.errors import Conflict, TryLater, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.operations.jobs.runner import LEASE_MS
from workpost.operations.reports.gathering import DAY
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import jobs, report_tallies
from workpost.store.tables.jobs import Lease

FIRST_MS = 600_000
"""After midnight: by then every process has written what it counted."""
WITHIN_MS = 7_200_000
"""Within which reports leave after that: not everybody's at the same moment."""
AGAIN_MS = 3_600_000
UNTIL_MS = DAY // 2
"""How long into the next day a domain is tried again."""
AT_ONCE = 20
"""Domains that are looked up side by side."""
LOOK_UP_SECONDS = 8.0
"""For what the DNS has to say of one domain; much less than a lease."""
TURN_SECONDS = 10.0
"""After which other jobs come first."""
KEPT_DAYS = 3
"""After which nobody is told of a day: it comes from a backup."""
MOST_TURNS = 3_000
"""Of one day's job, hours of work; what is not told then is told to nobody."""
SLICE = 2_000
MOST_BYTES = 4 << 20
"""Of what one report tells, as it is kept: strangers choose how long the names in it are."""

ENDED = counter("workpost_reports_total", "Daily reports to other domains.", "kind", "outcome")

log = logger("reports")

Wanted = TypeVar("Wanted")
Seen = TypeVar("Seen", bound=msgspec.Struct)


class Teller(Protocol[Wanted]):
    """Knows how domains are told what was counted of one kind."""

    async def ask(self, domain: str) -> Wanted | None:
        """What the DNS says of a domain, None where it wants no report. Raises TryLater."""
        ...

    async def write(self, domain: str, wanted: Wanted) -> list[Outgoing] | None:
        """The messages that bring a domain's report; whatever way else it takes, it has taken.

        None where it reaches nobody. Raises TryLater, and WorkpostError or ValueError where it
        never will.
        """
        ...


def job_of(kind: str) -> str:
    """The kind of the jobs that tell what was counted of a kind."""
    return f"{kind}.report"


async def schedule_day(core: Core, kind: str) -> None:
    """Make the job of the oldest day that is over and has something to tell."""
    today = core.env.now() // DAY
    told = await core.store.read(
        report_tallies.list_told, kind=kind, before=today, after=(0, ""), limit=1
    )
    if told:
        chance = int.from_bytes(core.env.random_bytes(2), "big") / 65_536
        await core.store.write_background(
            begin_day,
            kind=kind,
            day=told[0][0],
            id=core.env.new_id(),
            after_ms=FIRST_MS + int(WITHIN_MS * chance),
        )


@command
def begin_day(tx: Tx, *, kind: str, day: int, id: int, after_ms: int) -> None:
    """Make the job of a day, unless there is one; its cursor is the day and the last domain."""
    jobs.insert_job(
        tx,
        id=id,
        org="",
        kind=job_of(kind),
        dedupe=f"{job_of(kind)}/{day}",
        due=(day + 1) * DAY + after_ms,
        cursor=f"{day} ".encode(),
    )


def decode_seen(rows: Iterable[tuple[bytes, int]], type: type[Seen]) -> list[tuple[Seen, int]]:
    """What was seen and how often, as far as one report may tell it."""
    found: list[tuple[Seen, int]] = []
    left = MOST_BYTES
    for row, count in rows:
        left -= len(row)
        if left < 0:
            break
        found.append((msgspec.json.decode(row, type=type), count))
    return found


def day_of(lease: Lease) -> int:
    """The day of which a job tells."""
    return int((lease.cursor or b"").partition(b" ")[0])


def is_late(core: Core, day: int) -> bool:
    """Whether nobody is tried again after this time."""
    return core.env.now() >= (day + 1) * DAY + UNTIL_MS


class Day(Generic[Wanted]):
    """The job of one day and kind, while it has its lease."""

    def __init__(self, core: Core, lease: Lease, kind: str) -> None:
        self._core = core
        self._lease = lease
        self._kind = kind
        self._day = day_of(lease)

    async def work(self, teller: Teller[Wanted] | None) -> None:
        """Work for one turn; without a teller the counts are removed.

        Raises Conflict when the lease is lost.
        """
        core, day = self._core, self._day
        last = (self._lease.cursor or b"").decode().partition(" ")[2]
        if self._lease.progress >= MOST_TURNS:
            log.warning("reports of a day are too many", kind=self._kind, day=day, last=last)
        elif teller is not None and core.env.now() < (day + 1 + KEPT_DAYS) * DAY:
            end = core.env.monotonic() + TURN_SECONDS
            while page := await self._told(last, AT_ONCE):
                await self._tell(teller, page, last)
                last = page[-1]
                if core.env.monotonic() >= end:
                    await self._go_on(last, core.env.now())
                    return
            if not is_late(core, day) and await self._told("", 1):
                await self._go_on("", core.env.now() + AGAIN_MS)
                return
        while not await core.store.write_background(
            end_day, lease=self._lease, kind=self._kind, day=day
        ):
            pass

    async def _told(self, last: str, limit: int) -> list[str]:
        """The next domains of the day that have something to be told."""
        found = await self._core.store.read(
            report_tallies.list_told,
            kind=self._kind,
            before=self._day + 1,
            after=(self._day, last),
            limit=limit,
        )
        return [domain for _, domain in found]

    async def _go_on(self, last: str, due: int) -> None:
        await self._core.store.write_background(
            go_on, lease=self._lease, day=self._day, last=last, due=due
        )

    async def _tell(self, teller: Teller[Wanted], domains: Sequence[str], last: str) -> None:
        """Tell domains, in their order, after `last`; who has to be tried again keeps its counts.

        Raises Conflict, before anybody is told anything, when the lease is lost.
        """
        found = await asyncio.gather(*(self._ask(teller, domain) for domain in domains))
        # To ask may take most of a lease, and what goes over HTTPS cannot be taken back.
        await self._hold(last)
        for domain, (wanted, late) in zip(domains, found, strict=True):
            why = late or await self._tell_one(teller, domain, wanted)
            if why:
                log.info("a report is late", kind=self._kind, domain=domain, reason=why)
                ENDED.labels(self._kind, "late").inc()
                await self._hold(domain)

    async def _hold(self, last: str) -> None:
        await self._core.store.write_background(hold, lease=self._lease, day=self._day, last=last)

    async def _ask(self, teller: Teller[Wanted], domain: str) -> tuple[Wanted | None, str]:
        """What a domain wants, and why it is late where it cannot be asked now."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await teller.ask(domain), ""
        except TryLater as error:
            return None, error.message
        except TimeoutError:
            return None, "the DNS took too long"
        except Exception as error:
            # One domain, by what strangers wrote into its DNS, must not stop the job for all.
            log.warning(
                "a domain cannot be asked for reports",
                kind=self._kind, domain=domain, exc_info=error,
            )  # fmt: skip
            return None, ""

    async def _tell_one(self, teller: Teller[Wanted], domain: str, wanted: Wanted | None) -> str:
        """Tell one domain; returns why it is late, if it is. Raises Conflict."""
        mails: list[Outgoing] = []
        ended = "unwanted"
        try:
            if wanted is not None:
                written = await teller.write(domain, wanted)
                if written is not None:
                    mails, ended = written, "sent"
            await self._end(domain, mails)
        except Conflict:
            raise
        except TryLater as error:
            return error.message
        except Exception as error:
            reason = None if isinstance(error, WorkpostError | ValueError) else error
            log.info(
                "a report was not sent",
                kind=self._kind, domain=domain, reason=str(error), exc_info=reason,
            )  # fmt: skip
            ended = "failed"
            await self._end(domain, [])
        ENDED.labels(self._kind, ended).inc()
        return ""

    async def _end(self, domain: str, mails: list[Outgoing]) -> None:
        await self._core.store.write_background(
            tell_domain,
            lease=self._lease,
            kind=self._kind,
            day=self._day,
            domain=domain,
            mails=mails,
        )


@command
def hold(tx: Tx, *, lease: Lease, day: int, last: str) -> None:
    """Note how far the job is and hold its lease longer. Raises Conflict without it."""
    _save(tx, lease, day, last, lease.progress)


def _save(tx: Tx, lease: Lease, day: int, last: str, turns: int) -> None:
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=f"{day} {last}".encode(),
        progress=turns,
        lease_ms=LEASE_MS,
    )


@command
def tell_domain(
    tx: Tx, *, lease: Lease, kind: str, day: int, domain: str, mails: list[Outgoing]
) -> None:
    """Queue what a domain is told, and remove the counts. Raises Conflict without the lease.

    Raises QuotaExceeded or MailboxNotFound when a mailbox here cannot take it.
    """
    _save(tx, lease, day, domain, lease.progress)
    for mail in mails:
        insert_outgoing(tx, mail)
    report_tallies.delete_told(tx, kind=kind, day=day, domain=domain)


@command
def go_on(tx: Tx, *, lease: Lease, day: int, last: str, due: int) -> None:
    """End this turn; the next goes on behind `last` at `due`. Raises Conflict without the lease."""
    _save(tx, lease, day, last, lease.progress + 1)
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=due)


@command
def end_day(tx: Tx, *, lease: Lease, kind: str, day: int) -> bool:
    """Remove a slice of what is left of a day; True when the job has ended with it."""
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=LEASE_MS)
    if report_tallies.delete_day(tx, kind=kind, day=day, limit=SLICE) == SLICE:
        return False
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)
    return True

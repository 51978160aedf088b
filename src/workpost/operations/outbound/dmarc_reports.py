"""Tells domains each day about mail in their name (RFC 9990): the job `dmarc.report`, one a day.

The job goes through the domains in order. What a domain is told is put in the queue in the
transaction that removes the counts and moves the job's cursor, so nobody is told twice. A domain
whose DNS does not answer is tried again every hour, until noon.

Strangers choose what the DNS is asked: domains are looked up side by side, each for a few seconds,
and the job gives itself back after a while, so that other jobs have their turn. It has so many
turns and no more.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence

import msgspec

from workpost.domain.messages.delivery import Outgoing, insert_outgoing
from workpost.formats import dmarc_feedback
from workpost.formats.dmarc_feedback import Head, Seen, write_feedback
from workpost.formats.mailauth.dmarc_uris import ReportUri
from workpost.formats.mime.report_mail import ReportMail, file_name, make_message, subject_of
from workpost.kernel.errors import Conflict, TryLater, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.operations.authentication.tallies import DAY
from workpost.operations.jobs.runner import LEASE_MS
from workpost.operations.outbound.dmarc_places import Wanted, find_places
from workpost.operations.outbound.report_mailing import prepare_report, signer_of
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import dmarc_tallies, jobs
from workpost.store.tables.jobs import Lease

REPORT = "dmarc.report"
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
MOST_TURNS = 3_000
"""Of one day's job, hours of work; what is not told then is told to nobody."""
MOST_BYTES = 4 << 20
"""Of what one report tells, as it is kept: strangers choose how long the names in it are."""
SLICE = 2_000

ENDED = counter("workpost_dmarc_reports_total", "Reports to domains about their mail.", "outcome")

log = logger("outbound")


async def schedule_reports(core: Core) -> None:
    """Make the job of the oldest day that is over and has something to tell."""
    today = core.env.now() // DAY
    told = await core.store.read(dmarc_tallies.list_told, before=today, after=(0, ""), limit=1)
    if told:
        chance = int.from_bytes(core.env.random_bytes(2), "big") / 65_536
        await core.store.write_background(
            begin_day,
            day=told[0][0],
            id=core.env.new_id(),
            after_ms=FIRST_MS + int(WITHIN_MS * chance),
        )


@command
def begin_day(tx: Tx, *, day: int, id: int, after_ms: int) -> None:
    """Make the job of a day, unless there is one; its cursor is the day and the last domain."""
    jobs.insert_job(
        tx,
        id=id,
        org="",
        kind=REPORT,
        dedupe=f"{REPORT}/{day}",
        due=(day + 1) * DAY + after_ms,
        cursor=f"{day} ".encode(),
    )


async def report_day(core: Core, lease: Lease) -> None:
    """Handle `dmarc.report` for one turn. Raises Conflict when the lease is lost."""
    text, _, last = (lease.cursor or b"").decode().partition(" ")
    day = int(text)
    desk = await _open_desk(core, lease, day)
    if lease.progress >= MOST_TURNS:
        log.warning("DMARC reports of a day are too many", day=day, last=last)
    elif desk is not None:
        end = core.env.monotonic() + TURN_SECONDS
        while page := await _told(core, day, last, AT_ONCE):
            await desk.tell(page)
            last = page[-1]
            if core.env.monotonic() >= end:
                await core.store.write_background(
                    go_on, lease=lease, day=day, last=last, due=core.env.now()
                )
                return
        late = core.env.now() >= (day + 1) * DAY + UNTIL_MS
        if not late and await _told(core, day, "", 1):
            due = core.env.now() + AGAIN_MS
            await core.store.write_background(go_on, lease=lease, day=day, last="", due=due)
            return
    while not await core.store.write_background(end_day, lease=lease, day=day):
        pass


async def _told(core: Core, day: int, last: str, limit: int) -> list[str]:
    """The next domains of a day that have something to be told."""
    found = await core.store.read(
        dmarc_tallies.list_told, before=day + 1, after=(day, last), limit=limit
    )
    return [domain for _, domain in found]


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
def tell_domain(tx: Tx, *, lease: Lease, day: int, domain: str, mails: list[Outgoing]) -> None:
    """Queue what a domain is told, and remove the counts. Raises Conflict without the lease.

    Raises QuotaExceeded or MailboxNotFound when a mailbox here cannot take it.
    """
    _save(tx, lease, day, domain, lease.progress)
    for mail in mails:
        insert_outgoing(tx, mail)
    dmarc_tallies.delete_told(tx, day=day, domain=domain)


@command
def go_on(tx: Tx, *, lease: Lease, day: int, last: str, due: int) -> None:
    """End this turn; the next goes on behind `last` at `due`. Raises Conflict without the lease."""
    _save(tx, lease, day, last, lease.progress + 1)
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=due)


@command
def end_day(tx: Tx, *, lease: Lease, day: int) -> bool:
    """Remove a slice of what is left of a day; True when the job has ended with it."""
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=LEASE_MS)
    if dmarc_tallies.delete_day(tx, day=day, limit=SLICE) == SLICE:
        return False
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)
    return True


async def _open_desk(core: Core, lease: Lease, day: int) -> _Desk | None:
    """Where reports are written; None where nobody signs them."""
    contact = core.settings.dmarc.reports
    if not contact:
        return None
    organization = await signer_of(core, "dmarc.reports", contact)
    if organization is None:
        return None
    return _Desk(core, lease, day, contact, organization)


class _Desk:
    """Writes the reports of one day."""

    def __init__(self, core: Core, lease: Lease, day: int, contact: str, organization: str) -> None:
        self._core = core
        self._lease = lease
        self._day = day
        self._contact = contact
        self._organization = organization

    async def tell(self, domains: Sequence[str]) -> None:
        """Tell domains, in their order; who has to be tried again keeps its counts.

        Raises Conflict.
        """
        found = await asyncio.gather(*map(self._ask, domains))
        for domain, wanted in zip(domains, found, strict=True):
            if not isinstance(wanted, str):
                wanted = await self._tell(domain, wanted)
            if wanted:
                log.info("a DMARC report is late", domain=domain, reason=wanted)
                ENDED.labels("late").inc()
                await self._core.store.write_background(
                    hold, lease=self._lease, day=self._day, last=domain
                )

    async def _ask(self, domain: str) -> Wanted | str | None:
        """What the DNS says of a domain, None where it wants no report; a text: why it is late."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await find_places(self._core.resolver, domain)
        except TryLater as error:
            return error.message
        except TimeoutError:
            return "the DNS took too long"
        except Exception as error:
            # One domain, by what strangers wrote into its DNS, must not stop the job for all.
            log.warning("a domain cannot be asked for DMARC reports", domain=domain, exc_info=error)
            return None

    async def _tell(self, domain: str, wanted: Wanted | None) -> str:
        """Tell one domain; returns why it is late, if it is. Raises Conflict."""
        mails: list[Outgoing] = []
        ended = "unwanted"
        try:
            if wanted is not None and (mails := await self._write(domain, wanted)):
                ended = "sent"
            await self._end(domain, mails)
        except Conflict:
            raise
        except TryLater as error:
            return error.message
        except Exception as error:
            known = isinstance(error, WorkpostError | ValueError)
            reason = None if known else error
            log.info(
                "a DMARC report was not sent", domain=domain, reason=str(error), exc_info=reason
            )
            ended = "failed"
            await self._end(domain, [])
        ENDED.labels(ended).inc()
        return ""

    async def _end(self, domain: str, mails: list[Outgoing]) -> None:
        await self._core.store.write_background(
            tell_domain, lease=self._lease, day=self._day, domain=domain, mails=mails
        )

    async def _write(self, domain: str, wanted: Wanted) -> list[Outgoing]:
        """The messages that bring a domain's report."""
        core = self._core
        rows = await core.store.read(
            dmarc_tallies.list_seen,
            day=self._day,
            domain=domain,
            limit=dmarc_tallies.MOST_OF_DOMAIN,
        )
        begin = self._day * DAY // 1000
        head = Head(
            organization=core.settings.host_name,
            contact=self._contact,
            report_id=core.env.new_hex(),
            begin=begin,
            end=begin + DAY // 1000 - 1,
            domain=domain,
            record=wanted.record,
        )
        report = await asyncio.to_thread(_compress, head, rows)
        mails = [await self._mail(head, place, report) for place in wanted.places]
        return [mail for mail in mails if mail is not None]

    async def _mail(self, head: Head, place: ReportUri, report: bytes) -> Outgoing | None:
        raw = await asyncio.to_thread(
            _message,
            ReportMail(
                from_=self._contact,
                to=place.address,
                epoch=self._core.env.now() / 1000,
                message_id=f"{self._core.env.new_hex()}@{head.organization}",
                subject=subject_of(head.domain, head.organization, head.report_id),
                text=f"This is a report of {head.organization} about mail in the name of "
                f"{head.domain}.",
                media_type=dmarc_feedback.MEDIA_TYPE,
                name=file_name(
                    head.organization,
                    head.domain,
                    head.begin,
                    head.end,
                    head.report_id,
                    "xml.gz",
                ),
                report=report,
            ),
        )
        if place.most and len(raw) > place.most:
            log.info("a DMARC report is too large", domain=head.domain, size=len(raw))
            return None
        return await prepare_report(
            self._core,
            contact=self._contact,
            organization=self._organization,
            to=place.address,
            raw=raw,
        )


def _message(mail: ReportMail) -> bytes:
    return make_message(mail).as_bytes()


def _compress(head: Head, rows: list[tuple[bytes, int]]) -> bytes:
    seen = []
    left = MOST_BYTES
    for row, count in rows:
        left -= len(row)
        if left < 0:
            break
        seen.append((msgspec.json.decode(row, type=Seen), count))
    return gzip.compress(write_feedback(head, seen), mtime=0)

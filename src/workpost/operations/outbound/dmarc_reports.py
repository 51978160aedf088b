"""Tells domains each day about mail in their name (RFC 9990): the job `dmarc.report`, one a day.

The job goes through the domains in order. What a domain is told is put in the queue in the
transaction that removes the counts and moves the job's cursor, so nobody is told twice. A domain
whose DNS does not answer is tried again every hour, until noon.
"""

from __future__ import annotations

import asyncio
import gzip

import msgspec

from workpost.domain.directory.routing import lookup_address
from workpost.domain.messages.delivery import Outgoing, insert_outgoing
from workpost.formats import dmarc_feedback
from workpost.formats.addresses import fold
from workpost.formats.dmarc_feedback import Head, Seen, write_feedback
from workpost.formats.mailauth.dmarc_uris import ReportUri, consent_name, consented, report_uris
from workpost.formats.mime.report_mail import ReportMail, make_message
from workpost.kernel.errors import Conflict, TryLater, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.operations.authentication.dmarc_records import MAX_NAME, find_record, organization_of
from workpost.operations.authentication.tallies import DAY
from workpost.operations.jobs.runner import LEASE_MS
from workpost.operations.outbound.report_mailing import prepare_report
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
PAGE = 50
MOST_RECORDS = 5_000
"""What was seen of one domain, the most frequent first; a report has no more."""
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
    """Handle `dmarc.report`. Raises Conflict when the lease is lost."""
    text, _, last = (lease.cursor or b"").decode().partition(" ")
    day = int(text)
    desk = await _open_desk(core, lease, day)
    again = False
    while desk is not None:
        page = await core.store.read(
            dmarc_tallies.list_told, before=day + 1, after=(day, last), limit=PAGE
        )
        for _, domain in page:
            again |= not await desk.tell(domain)
            last = domain
        if not page:
            break
    late = core.env.now() >= (day + 1) * DAY + UNTIL_MS
    if again and not late:
        await core.store.write_background(
            try_again, lease=lease, day=day, due=core.env.now() + AGAIN_MS
        )
        return
    while not await core.store.write_background(end_day, lease=lease, day=day):
        pass


@command
def tell_domain(
    tx: Tx, *, lease: Lease, lease_ms: int, day: int, domain: str, mails: list[Outgoing]
) -> None:
    """Queue what a domain is told, and remove the counts. Raises Conflict without the lease.

    Raises QuotaExceeded or MailboxNotFound when a mailbox here cannot take it.
    """
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=f"{day} {domain}".encode(),
        progress=lease.progress,
        lease_ms=lease_ms,
    )
    for mail in mails:
        insert_outgoing(tx, mail)
    dmarc_tallies.delete_told(tx, day=day, domain=domain, limit=MOST_RECORDS)


@command
def try_again(tx: Tx, *, lease: Lease, day: int, due: int) -> None:
    """Go through the day's domains once more at `due`. Raises Conflict without the lease."""
    jobs.save_job(
        tx,
        id=lease.id,
        fence=lease.fence,
        cursor=f"{day} ".encode(),
        progress=lease.progress,
        lease_ms=LEASE_MS,
    )
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
    holder = await core.store.read(lookup_address, addr_fold=fold(contact))
    if holder is None:
        log.warning("dmarc.reports is nobody's address here", address=contact)
        return None
    return _Desk(core, lease, day, contact, holder.org)


class _Desk:
    """Writes the reports of one day."""

    def __init__(self, core: Core, lease: Lease, day: int, contact: str, organization: str) -> None:
        self._core = core
        self._lease = lease
        self._day = day
        self._contact = contact
        self._organization = organization

    async def tell(self, domain: str) -> bool:
        """Tell one domain; False where it has to be tried again. Raises Conflict."""
        try:
            mails = await self._write(domain)
            await self._core.store.write_background(
                tell_domain,
                lease=self._lease,
                lease_ms=LEASE_MS,
                day=self._day,
                domain=domain,
                mails=mails,
            )
        except Conflict:
            raise
        except TryLater as error:
            log.info("a DMARC report is late", domain=domain, reason=error.message)
            ENDED.labels("late").inc()
            return False
        except (WorkpostError, ValueError) as error:
            log.info("a DMARC report was not sent", domain=domain, reason=str(error))
            ENDED.labels("failed").inc()
            return True
        ENDED.labels("sent" if mails else "unwanted").inc()
        return True

    async def _write(self, domain: str) -> list[Outgoing]:
        """The messages that bring a domain's report; none where it wants none any more."""
        core = self._core
        found = await find_record(core.resolver, domain)
        if found is None:
            return []
        text, record = found
        places = await self._places(domain, text)
        if not places:
            return []
        rows = await core.store.read(
            dmarc_tallies.list_seen, day=self._day, domain=domain, limit=MOST_RECORDS
        )
        begin = self._day * DAY // 1000
        head = Head(
            organization=core.settings.host_name,
            contact=self._contact,
            report_id=core.env.new_hex(),
            begin=begin,
            end=begin + DAY // 1000 - 1,
            domain=domain,
            record=record,
        )
        seen = [(msgspec.json.decode(row, type=Seen), count) for row, count in rows]
        report = await asyncio.to_thread(_compress, head, seen)
        mails = [await self._mail(head, place, report) for place in places]
        return [mail for mail in mails if mail is not None]

    async def _places(self, domain: str, text: str) -> list[ReportUri]:
        """Where a report goes: another organization's addresses have to consent."""
        found: list[ReportUri] = []
        own = ""
        for uri in report_uris(text):
            own = own or await organization_of(self._core.resolver, domain)
            if uri.host == domain or await organization_of(self._core.resolver, uri.host) == own:
                found.append(uri)
                continue
            name = consent_name(domain, uri.host)
            if len(name) <= MAX_NAME:
                found += consented((await self._core.resolver.txt(name)).values, uri)
        return list(dict.fromkeys(found))

    async def _mail(self, head: Head, place: ReportUri, report: bytes) -> Outgoing | None:
        message = make_message(
            ReportMail(
                from_=self._contact,
                to=place.address,
                epoch=self._core.env.now() / 1000,
                message_id=f"{head.report_id}@{head.organization}",
                subject=dmarc_feedback.subject(head),
                text=f"This is a report of {head.organization} about mail in the name of "
                f"{head.domain}.",
                media_type=dmarc_feedback.MEDIA_TYPE,
                name=dmarc_feedback.file_name(head),
                report=report,
            )
        )
        raw = message.as_bytes()
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


def _compress(head: Head, seen: list[tuple[Seen, int]]) -> bytes:
    return gzip.compress(write_feedback(head, seen), mtime=0)

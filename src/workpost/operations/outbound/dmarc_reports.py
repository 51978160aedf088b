"""Tells domains each day about mail in their name (RFC 9990): the job `dmarc.report`, one a day."""

from __future__ import annotations

import asyncio
import gzip

from workpost.domain.messages.delivery import Outgoing
from workpost.formats import dmarc_feedback
from workpost.formats.dmarc_feedback import Seen, write_feedback
from workpost.formats.mailauth.dmarc import DmarcRecord
from workpost.formats.mailauth.dmarc_uris import ReportUri
from workpost.formats.mime.report_mail import (
    ReportHead,
    ReportMail,
    file_name,
    make_message,
    subject_of,
)
from workpost.kernel.logging import logger
from workpost.operations.outbound.dmarc_places import Wanted, find_places
from workpost.operations.outbound.report_mailing import Desk
from workpost.operations.reports.days import Day, day_of, decode_seen, job_of, schedule_day
from workpost.store.core import Core
from workpost.store.tables.jobs import Lease
from workpost.store.tables.report_tallies import DMARC

REPORT = job_of(DMARC)
log = logger("outbound")


async def schedule_reports(core: Core) -> None:
    """Make the job of the oldest day that is over and has something to tell."""
    await schedule_day(core, DMARC)


async def report_day(core: Core, lease: Lease) -> None:
    """Handle `dmarc.report` for one turn. Raises Conflict when the lease is lost."""
    desk = await _Desk.open(core, day_of(lease), core.settings.dmarc.reports)
    await Day[Wanted](core, lease, DMARC).work(desk)


class _Desk(Desk):
    kind = DMARC
    setting = "dmarc.reports"

    async def ask(self, domain: str) -> Wanted | None:
        return await find_places(self._core.resolver, domain)

    async def write(self, domain: str, wanted: Wanted) -> list[Outgoing] | None:
        rows = await self._counted(domain)
        head = self._head(domain)
        report = await asyncio.to_thread(_compress, head, wanted.record, rows)
        mails = [await self._mail(head, place, report) for place in wanted.places]
        return [mail for mail in mails if mail is not None] or None

    async def _mail(self, head: ReportHead, place: ReportUri, report: bytes) -> Outgoing | None:
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
        return await self._prepare(place.address, raw)


def _message(mail: ReportMail) -> bytes:
    return make_message(mail).as_bytes()


def _compress(head: ReportHead, record: DmarcRecord, rows: list[tuple[bytes, int]]) -> bytes:
    return gzip.compress(write_feedback(head, record, decode_seen(rows, Seen)), mtime=0)

"""Tells domains each day about mail in their name (RFC 9990): the job `dmarc.report`, one a day."""

from __future__ import annotations

import asyncio
import gzip

from workpost.domain.messages.delivery import Outgoing
from workpost.formats import dmarc_feedback
from workpost.formats.dmarc_feedback import Head, Seen, write_feedback
from workpost.formats.mailauth.dmarc_uris import ReportUri
from workpost.formats.mime.report_mail import (
    ReportMail,
    file_name,
    make_message,
    stable_id,
    subject_of,
)
from workpost.kernel.logging import logger
from workpost.operations.outbound.dmarc_places import Wanted, find_places
from workpost.operations.outbound.report_mailing import prepare_report, signer_of
from workpost.operations.reports.days import Day, day_of, decode_seen, job_of, schedule_day
from workpost.operations.reports.gathering import DAY
from workpost.store.core import Core
from workpost.store.tables import report_tallies
from workpost.store.tables.jobs import Lease
from workpost.store.tables.report_tallies import DMARC

REPORT = job_of(DMARC)
log = logger("outbound")


async def schedule_reports(core: Core) -> None:
    """Make the job of the oldest day that is over and has something to tell."""
    await schedule_day(core, DMARC)


async def report_day(core: Core, lease: Lease) -> None:
    """Handle `dmarc.report` for one turn. Raises Conflict when the lease is lost."""
    await Day[Wanted](core, lease, DMARC).work(await _open_desk(core, day_of(lease)))


async def _open_desk(core: Core, day: int) -> _Desk | None:
    """Where reports are written; None where nobody signs them."""
    contact = core.settings.dmarc.reports
    if not contact:
        return None
    organization = await signer_of(core, "dmarc.reports", contact)
    if organization is None:
        return None
    return _Desk(core, day, contact, organization)


class _Desk:
    """Writes the reports of one day."""

    def __init__(self, core: Core, day: int, contact: str, organization: str) -> None:
        self._core = core
        self._day = day
        self._contact = contact
        self._organization = organization

    async def ask(self, domain: str) -> Wanted | None:
        return await find_places(self._core.resolver, domain)

    async def write(self, domain: str, wanted: Wanted) -> list[Outgoing] | None:
        core = self._core
        rows = await core.store.read(
            report_tallies.list_seen,
            kind=DMARC,
            day=self._day,
            domain=domain,
            limit=report_tallies.MOST_OF_DOMAIN,
        )
        begin = self._day * DAY // 1000
        head = Head(
            organization=core.settings.host_name,
            contact=self._contact,
            report_id=stable_id(DMARC, core.settings.host_name, domain, self._day),
            begin=begin,
            end=begin + DAY // 1000 - 1,
            domain=domain,
            record=wanted.record,
        )
        report = await asyncio.to_thread(_compress, head, rows)
        mails = [await self._mail(head, place, report) for place in wanted.places]
        return [mail for mail in mails if mail is not None] or None

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
    return gzip.compress(write_feedback(head, decode_seen(rows, Seen)), mtime=0)

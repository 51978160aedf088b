"""Tells domains each day about TLS with their servers (RFC 8460): the job `tls.report`, one a day.

By mail a report goes in the transaction that removes its counts. Over HTTPS it has gone before; a
job that is killed between the two, or one of whose URLs does not answer, sends it again under the
same report id. Where a URL does not answer until noon, the domain's other places are told then.
"""

from __future__ import annotations

import asyncio
import gzip

from workpost.domain.messages.delivery import Outgoing
from workpost.formats import tlsrpt
from workpost.formats.mime.report_mail import ReportHead, file_name
from workpost.formats.tls_feedback import Seen, write_feedback
from workpost.formats.tlsrpt import Wanted
from workpost.integrations.egress.client import Bounds, EgressFailed, post
from workpost.kernel.errors import TryLater
from workpost.kernel.logging import logger
from workpost.operations.outbound.report_mailing import Desk
from workpost.operations.reports.days import (
    Day,
    day_of,
    decode_seen,
    is_late,
    job_of,
    schedule_day,
)
from workpost.store.core import Core
from workpost.store.tables.jobs import Lease
from workpost.store.tables.report_tallies import TLS

REPORT = job_of(TLS)
SECONDS = 6.0
"""For one report over HTTPS; much less than a lease."""

log = logger("outbound")


async def schedule_reports(core: Core) -> None:
    """Make the job of the oldest day that is over and has something to tell."""
    await schedule_day(core, TLS)


async def report_day(core: Core, lease: Lease) -> None:
    """Handle `tls.report` for one turn. Raises Conflict when the lease is lost."""
    desk = await _Desk.open(core, day_of(lease), core.settings.outbound.tls_reports)
    await Day[Wanted](core, lease, TLS).work(desk)


class _Desk(Desk):
    kind = TLS
    setting = "outbound.tls_reports"

    async def ask(self, domain: str) -> Wanted | None:
        found = await self._core.resolver.txt(f"_smtp._tls.{domain}")
        wanted = tlsrpt.parse_record(found.values)
        return wanted if wanted.addresses or wanted.urls else None

    async def write(self, domain: str, wanted: Wanted) -> list[Outgoing] | None:
        rows = await self._counted(domain)
        head = self._head(domain)
        report = await asyncio.to_thread(_compress, head, rows)
        posted = await asyncio.gather(*(self._post(domain, url, report) for url in wanted.urls))
        away = next((reason for reason in posted if isinstance(reason, TryLater)), None)
        if away is not None and not is_late(self._core, self._day):
            raise away
        mails = [await self._mail(head, address, report) for address in wanted.addresses]
        going = [mail for mail in mails if mail is not None]
        if going or True in posted:
            return going
        if away is not None:
            raise away
        return None

    async def _mail(self, head: ReportHead, address: str, report: bytes) -> Outgoing | None:
        raw = await asyncio.to_thread(
            tlsrpt.compose,
            from_=self._contact,
            to=address,
            epoch=self._core.env.now() / 1000,
            message_id=f"{self._core.env.new_hex()}@{head.organization}",
            domain=head.domain,
            submitter=head.organization,
            report_id=head.report_id,
            name=file_name(
                head.organization, head.domain, head.begin, head.end, head.report_id, "json.gz"
            ),
            report=report,
        )
        return await self._prepare(address, raw)

    async def _post(self, domain: str, url: str, report: bytes) -> bool | TryLater:
        """Whether a URL took the report; TryLater, not raised, where it may later (RFC 8460 5.5).

        So one that is away ends no request to another.
        """
        settings = self._core.settings.outbound
        bounds = Bounds(
            allow=settings.allow, ca_file=settings.ca_file, seconds=SECONDS, response_bytes=65_536
        )
        try:
            answer = await post(bounds, url, {"Content-Type": tlsrpt.MEDIA_TYPE}, report)
        except EgressFailed as error:
            return TryLater(f"{url}: {error}")
        except TryLater as error:
            return error
        if answer.status >= 500 or answer.status == 429:
            return TryLater(f"{url}: status {answer.status}")
        if answer.status // 100 != 2:
            log.info("a TLS report was refused", domain=domain, status=answer.status)
            return False
        return True


def _compress(head: ReportHead, rows: list[tuple[bytes, int]]) -> bytes:
    return gzip.compress(write_feedback(head, decode_seen(rows, Seen)), mtime=0)

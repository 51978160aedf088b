"""Sends the TLS reports of a day when it is over (RFC 8460), for domains that want them.

Each process reports what it has counted itself, so a domain may get several reports of a day. What
is counted is in memory: a restart forgets the day so far.
"""

from __future__ import annotations

import asyncio
import gzip

import msgspec

from workpost.domain.messages import delivery
from workpost.formats import tlsrpt
from workpost.formats.mime.report_mail import file_name
from workpost.integrations.egress.client import Bounds, EgressFailed, post
from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.operations.outbound.report_mailing import prepare_report, signer_of
from workpost.operations.outbound.tlsrpt import DAY, TlsReports
from workpost.store.core import Core

DELAY = 7200.0
"""Seconds after midnight within which reports leave: not everybody's at the same moment."""
SECONDS = 25.0
"""For one report over HTTPS."""

log = logger("outbound")


class Reporter:
    """Waits for days to end; `wake` is called with every message that is sent."""

    def __init__(self, core: Core, reports: TlsReports) -> None:
        self._core = core
        self._reports = reports
        self._today = core.env.now() // DAY
        self._sending: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Begin to send reports when a day is over."""
        today = self._core.env.now() // DAY
        if today <= self._today:
            return
        day, self._today = self._today, today
        if self._core.settings.outbound.tls_reports:
            task = asyncio.create_task(self._later(day))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Stop sending."""
        for task in list(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _later(self, day: int) -> None:
        chance = int.from_bytes(self._core.env.random_bytes(2)[-2:], "big") / 65_536
        await asyncio.sleep(DELAY * chance)
        await self.send(day)

    async def send(self, day: int) -> int:
        """Send the reports of a day (days since the epoch); returns how many left.

        A domain whose report cannot be sent misses it: the next day has its own.
        """
        contact = self._core.settings.outbound.tls_reports
        organization = await signer_of(self._core, "outbound.tls_reports", contact)
        if organization is None:
            return 0
        sent = 0
        for domain in self._reports.domains(day):
            try:
                sent += await self._send_one(day, domain, contact, organization)
            except (WorkpostError, EgressFailed, ValueError) as error:
                log.info("a TLS report was not sent", domain=domain, reason=str(error))
        return sent

    async def _send_one(self, day: int, domain: str, contact: str, organization: str) -> int:
        found = await self._core.resolver.txt(f"_smtp._tls.{domain}")
        wanted = tlsrpt.parse_record(found.values)
        if not wanted.addresses and not wanted.urls:
            return 0
        submitter = self._core.settings.host_name
        report_id = self._core.env.new_hex()
        written = self._reports.report(
            day, domain, organization=submitter, contact=contact, report_id=report_id
        )
        report = gzip.compress(msgspec.json.encode(written), mtime=0)
        begin = day * DAY // 1000
        end = begin + DAY // 1000 - 1
        name = file_name(submitter, domain, begin, end, report_id, "json.gz")
        for address in wanted.addresses:
            raw = tlsrpt.compose(
                from_=contact,
                to=address,
                epoch=self._core.env.now() / 1000,
                message_id=f"{report_id}@{submitter}",
                domain=domain,
                submitter=submitter,
                report_id=report_id,
                name=name,
                report=report,
            )
            await self._mail(contact, address, organization, raw)
        for url in wanted.urls:
            await self._post(domain, url, report)
        return 1

    async def _mail(self, contact: str, address: str, organization: str, raw: bytes) -> None:
        """Put a report in the queue."""
        made = await prepare_report(
            self._core, contact=contact, organization=organization, to=address, raw=raw
        )
        if made is not None:
            await self._core.store.write_background(
                delivery.deliver,
                grant=None,
                content=made.content,
                deliveries=made.deliveries,
                queued=made.queued,
                events=[],
            )

    async def _post(self, domain: str, url: str, report: bytes) -> None:
        settings = self._core.settings.outbound
        bounds = Bounds(
            allow=settings.allow, ca_file=settings.ca_file, seconds=SECONDS, response_bytes=65_536
        )
        answer = await post(bounds, url, {"Content-Type": tlsrpt.MEDIA_TYPE}, report)
        if answer.status // 100 != 2:
            log.info("a TLS report was refused", domain=domain, status=answer.status)

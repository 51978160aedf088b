"""Reports to other domains as mail: signed, queued and tried again like all mail that leaves."""

from __future__ import annotations

from typing import ClassVar, Self

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import lookup_address
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.formats.addresses import fold
from workpost.formats.mime.report_mail import ReportHead, stable_id
from workpost.kernel.logging import logger
from workpost.operations.mailflow import placing, trace
from workpost.operations.mailflow.envelope import Envelope, Wish
from workpost.operations.reports.gathering import DAY
from workpost.store.core import Core
from workpost.store.tables import report_tallies

NEVER = Wish(("NEVER",))
"""RFC 3461 4.1."""

log = logger("outbound")


class Desk:
    """Where reports of one day and kind are written; `contact` is the address that signs them."""

    kind: ClassVar[str]
    setting: ClassVar[str]
    """What names the contact."""

    def __init__(self, core: Core, day: int, contact: str, organization: str) -> None:
        self._core = core
        self._day = day
        self._contact = contact
        self._organization = organization

    @classmethod
    async def open(cls, core: Core, day: int, contact: str) -> Self | None:
        """The desk of a day; None where nobody signs, with a warning for an address of nobody's."""
        if not contact:
            return None
        holder = await core.store.read(lookup_address, addr_fold=fold(contact))
        if holder is None:
            log.warning("an address that is to sign reports is nobody's here", setting=cls.setting)
            return None
        return cls(core, day, contact, holder.org)

    async def _counted(self, domain: str) -> list[tuple[bytes, int]]:
        """What was counted for a domain on the day, most often first."""
        return await self._core.store.read(
            report_tallies.list_seen,
            kind=self.kind,
            day=self._day,
            domain=domain,
            limit=report_tallies.MOST_OF_DOMAIN,
        )

    def _head(self, domain: str) -> ReportHead:
        submitter = self._core.settings.host_name
        begin = self._day * DAY // 1000
        return ReportHead(
            organization=submitter,
            contact=self._contact,
            report_id=stable_id(self.kind, submitter, domain, self._day),
            begin=begin,
            end=begin + DAY // 1000 - 1,
            domain=domain,
        )

    async def _prepare(self, to: str, raw: bytes) -> Outgoing | None:
        return await prepare_report(
            self._core,
            contact=self._contact,
            organization=self._organization,
            to=to,
            raw=raw,
        )


async def prepare_report(
    core: Core, *, contact: str, organization: str, to: str, raw: bytes
) -> Outgoing | None:
    """A report ready to be written; None where it can reach nobody.

    `contact` is the address in `organization` that it comes from. Nobody is told that a report did
    not arrive, but the events of the organization: strangers choose the addresses, and how many
    there are. Raises TryLater.
    """
    envelope = Envelope(
        sender=contact, recipients=[to], wishes={to: NEVER}, helo=core.settings.host_name
    )
    routed = await expand_envelope(core, [to])
    stamped = trace.stamp(core, envelope, raw)
    message = await placing.place(core, envelope, stamped, await summary_of(stamped.raw))
    made = await placing.make_outgoing(
        core, message, routed, home=organization, direction="outgoing"
    )
    return made if made.deliveries or made.queued else None

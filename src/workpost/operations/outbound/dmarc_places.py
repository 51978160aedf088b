"""Where a domain wants its DMARC reports, by its record and by those who take them (RFC 9990)."""

from __future__ import annotations

import msgspec

from workpost.formats.mailauth.dmarc import DmarcRecord
from workpost.formats.mailauth.dmarc_uris import ReportUri, consent_name, consented, report_uris
from workpost.integrations.dns.base import Resolver
from workpost.operations.authentication.dmarc_records import MAX_NAME, find_record, organization_of


class Wanted(msgspec.Struct, frozen=True):
    """Where a domain wants its report, and its record of the moment."""

    record: DmarcRecord
    places: list[ReportUri]


async def find_places(resolver: Resolver, domain: str) -> Wanted | None:
    """What a domain wants; None where it wants no report any more. Raises TryLater.

    Addresses of another organization have to consent.
    """
    found = await find_record(resolver, domain)
    if found is None:
        return None
    text, record = found
    places: list[ReportUri] = []
    for uri in report_uris(text):
        if await _is_own(resolver, domain, uri.host):
            places.append(uri)
            continue
        name = consent_name(domain, uri.host)
        if len(name) <= MAX_NAME:
            places += consented((await resolver.txt(name)).values, uri)
    return Wanted(record, list(dict.fromkeys(places))) if places else None


async def _is_own(resolver: Resolver, domain: str, host: str) -> bool:
    """Whether a host belongs to the domain's own organization."""
    if host == domain:
        return True
    organization = await organization_of(resolver, domain)
    # A stranger's tree is not walked: whoever publishes a record would have us ask for it.
    if host != organization and not host.endswith(f".{organization}"):
        return False
    return await organization_of(resolver, host) == organization

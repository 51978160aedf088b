"""Where a domain wants its DMARC reports: the tag rua (RFC 9989 4.7), and consent (RFC 9990)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

import msgspec

from workpost.formats.addresses import AddressError, ascii_domain, fold_domain, parse_mailbox, split
from workpost.formats.mailauth.dmarc import MAX_RECORD, DmarcError, parse_dmarc

MAX_URIS = 4
"""Places that one domain is told at."""
UNBOUNDED = 0
_SIZE = re.compile(r"!([0-9]{1,18})([kmgt]?)\Z", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class ReportUri(msgspec.Struct, frozen=True):
    """An address that takes messages of up to `most` bytes, UNBOUNDED where none is said."""

    address: str
    most: int = UNBOUNDED

    @property
    def host(self) -> str:
        """The domain of the address, in lower case with A-labels."""
        return ascii_domain(fold_domain(split(self.address)[1]))


def report_uris(text: str) -> list[ReportUri]:
    """The addresses of the tag rua of a record, in its order; what is no mailto is passed over.

    Never raises. A size after `!` is one of RFC 7489 6.2, which domains still publish.
    """
    for tag in text[:MAX_RECORD].split(";"):
        name, equals, value = tag.partition("=")
        if equals and name.strip().lower() == "rua":
            read = map(_read, value.split(","))
            return list(dict.fromkeys(each for each in read if each is not None))[:MAX_URIS]
    return []


def _read(uri: str) -> ReportUri | None:
    scheme, _, rest = uri.strip().partition(":")
    if scheme.lower() != "mailto":
        return None
    most = UNBOUNDED
    if size := _SIZE.search(rest):
        rest = rest[: size.start()]
        most = int(size[1]) * _UNITS[size[2].lower()]
    try:
        found = ReportUri(parse_mailbox(unquote(rest.partition("?")[0])), most)
    except AddressError:
        return None
    return found if found.host else None


def consent_name(domain: str, host: str) -> str:
    """The name whose TXT record says that `host` takes reports about `domain` (RFC 9990)."""
    return f"{domain}._report._dmarc.{host}"


def consented(texts: Iterable[str], uri: ReportUri) -> list[ReportUri]:
    """Where reports go that were to go to `uri`, by the records of `consent_name`.

    Nowhere where no record consents. What a record names instead has to be at the same host.
    """
    agreed = False
    for text in texts:
        try:
            parse_dmarc(text)
        except DmarcError:
            continue
        agreed = True
        if instead := report_uris(text):
            return [each for each in instead if each.host == uri.host]
    return [uri] if agreed else []

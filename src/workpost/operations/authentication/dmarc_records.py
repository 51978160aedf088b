"""Where DMARC records stand: the tree of the DNS, walked upwards (RFC 9989 4.10)."""

from __future__ import annotations

from workpost.formats.mailauth.dmarc import (
    DmarcError,
    DmarcRecord,
    organizational_domain,
    parse_dmarc,
    walk_names,
)
from workpost.integrations.dns.base import Resolver

MAX_QUESTIONS = 60
"""Records that are asked for in all; a message of one author and five signers has 15."""
MAX_NAME = 253
"""Characters of a name in the DNS."""

Found = list[tuple[str, DmarcRecord]]


class TooManyError(Exception):
    """The message asks for more than any honest one."""


async def organization_of(resolver: Resolver, domain: str) -> str:
    """The organizational domain of a domain in A-labels. Raises TryLater."""
    return organizational_domain(domain, await Walks(resolver).walk(domain))


async def find_record(resolver: Resolver, domain: str) -> tuple[str, DmarcRecord] | None:
    """The record of one name and its text; several are none (RFC 9989 4.10). Raises TryLater."""
    found = []
    asked = f"_dmarc.{domain}"
    # A name so long that nothing fits before it has no record.
    if len(asked) <= MAX_NAME:
        for text in (await resolver.txt(asked)).values:
            try:
                found.append((text, parse_dmarc(text)))
            except DmarcError:
                continue
    return found[0] if len(found) == 1 else None


async def discover(walks: Walks, domain: str) -> tuple[str, DmarcRecord | None]:
    """The record that holds for an author domain, and where it stands (RFC 9989 4.10.1)."""
    own = await walks.record(domain)
    if own is not None:
        return domain, own
    found = await walks.walk(domain)
    organization = organizational_domain(domain, found)
    for name, record in found:
        if name == organization:
            return name, record
    # None at the organizational domain: that of the public suffix above it, if there is one.
    return found[-1] if found else ("", None)


class Walks:
    """The records of the tree, each asked for once a message."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._questions = 0
        self._records: dict[str, DmarcRecord | None] = {}
        self._walks: dict[str, Found] = {}

    async def record(self, name: str) -> DmarcRecord | None:
        """The record of one name; several are none (RFC 9989 4.10). Raises TryLater."""
        if name in self._records:
            return self._records[name]
        if self._questions >= MAX_QUESTIONS:
            raise TooManyError
        self._questions += 1
        found = await find_record(self._resolver, name)
        record = self._records[name] = found[1] if found is not None else None
        return record

    async def walk(self, domain: str) -> Found:
        """The records from a domain upwards, up to one that says where to stop."""
        if domain not in self._walks:
            found: Found = []
            for name in walk_names(domain):
                record = await self.record(name)
                if record is not None:
                    found.append((name, record))
                    if record.psd != "u":
                        break
            self._walks[domain] = found
        return self._walks[domain]

    async def exists(self, domain: str) -> bool:
        """Whether a domain has any address or MX (RFC 9989 3.2.13)."""
        for ask in (self._resolver.a, self._resolver.aaaa, self._resolver.mx):
            answer = await ask(domain)
            if answer.values:
                return True
            if not answer.exists:
                return False
        return False

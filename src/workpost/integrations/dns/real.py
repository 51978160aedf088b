"""A resolver over dnspython: the machine's own servers, or those of the settings.

Imported when something is to be looked up. Answers are not cached: whoever asks here waits for a
change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver

from workpost.kernel.errors import TryLater

SECONDS = 5.0
"""For one question, all servers and repetitions together."""


class DnsResolver:
    """`servers` are (IP address, port); none are the machine's own."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), seconds: float = SECONDS) -> None:
        self._servers = servers
        self._seconds = seconds
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def txt(self, name: str) -> list[str]:
        """The texts of a name; strings of one record are joined (RFC 7208 3.3)."""
        return [
            b"".join(each.strings).decode("utf-8", "replace")
            for each in await self._ask(name, dns.rdatatype.TXT)
        ]

    async def cname(self, name: str) -> str:
        """The name that this one is an alias of, or ""."""
        found = await self._ask(name, dns.rdatatype.CNAME)
        return _plain(found[0].target) if found else ""

    async def mx(self, name: str) -> list[tuple[int, str]]:
        """(preference, host) of a domain, the most preferred first."""
        found = await self._ask(name, dns.rdatatype.MX)
        return sorted((each.preference, _plain(each.exchange)) for each in found)

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> list[Any]:
        try:
            resolver = self._open()
            answer = await resolver.resolve(
                name.removesuffix(".") + ".", kind, lifetime=self._seconds, search=False
            )
            return list(answer)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise TryLater(f"The DNS does not tell of {name}: {type(error).__name__}.") from error

    def _open(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers
                ]
            self._resolver = resolver
        return self._resolver


def _plain(name: Any) -> str:
    text: str = name.to_text(omit_final_dot=True)
    return text.lower()

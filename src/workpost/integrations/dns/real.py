"""A resolver over dnspython: the machine's own servers, or those of the settings.

dnspython is loaded when something is to be looked up. Answers are not cached here: who waits for a
change asks this one, everybody else a `CachingResolver` over it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from workpost.integrations.dns.base import Answer, Srv, Tlsa
from workpost.kernel.errors import TryLater

if TYPE_CHECKING:
    import dns.asyncresolver

SECONDS = 5.0
"""For one question, all servers and repetitions together."""
NEGATIVE_TTL = 300
"""Seconds that a missing record is taken to be missing where no SOA says less."""

T = TypeVar("T")


class DnsResolver:
    """`servers` are (IP address, port); none are the machine's own."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), seconds: float = SECONDS) -> None:
        self._servers = servers
        self._seconds = seconds
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def a(self, name: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        return await self._ask(name, "A", lambda record: str(record.address))

    async def aaaa(self, name: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        return await self._ask(name, "AAAA", lambda record: str(record.address))

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        """(preference, host in lower case) of a domain, the most preferred first."""
        found = await self._ask(name, "MX", lambda each: (each.preference, _plain(each.exchange)))
        return Answer(sorted(found.values), found.secure, found.exists, found.ttl)

    async def txt(self, name: str) -> Answer[str]:
        """The texts of a name; strings of one record are joined (RFC 7208 3.3)."""
        return await self._ask(
            name, "TXT", lambda record: b"".join(record.strings).decode("utf-8", "replace")
        )

    async def cname(self, name: str) -> Answer[str]:
        """The name that this one is an alias of, or none."""
        return await self._ask(name, "CNAME", lambda record: _plain(record.target))

    async def ptr(self, address: str) -> Answer[str]:
        """The names of an IP address."""
        name = ipaddress.ip_address(address).reverse_pointer
        return await self._ask(name, "PTR", lambda record: _plain(record.target))

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """The TLSA records of a name."""
        return await self._ask(
            name, "TLSA", lambda each: Tlsa(each.usage, each.selector, each.mtype, each.cert)
        )

    async def srv(self, name: str) -> Answer[Srv]:
        """The servers of a service, the most preferred first."""
        found = await self._ask(
            name, "SRV", lambda one: Srv(one.priority, one.weight, one.port, _plain(one.target))
        )
        return Answer(sorted(found.values), found.secure, found.exists, found.ttl)

    async def caa(self, name: str) -> Answer[tuple[str, str]]:
        """(tag, value) of the CAA records of a name."""
        return await self._ask(
            name, "CAA", lambda one: (one.tag.decode().lower(), one.value.decode(errors="replace"))
        )

    async def _ask(self, name: str, kind: str, read: Callable[[Any], T]) -> Answer[T]:
        import dns.exception
        import dns.flags
        import dns.resolver

        try:
            answer = await self._open().resolve(
                name.removesuffix(".") + ".",
                kind,
                lifetime=self._seconds,
                search=False,
                raise_on_no_answer=False,
            )
        except dns.resolver.NXDOMAIN as error:
            missing: Any = error
            response = missing.response(missing.qnames()[-1])
            return Answer([], bool(response.flags & dns.flags.AD), False, _negative_ttl(response))
        except (dns.exception.DNSException, OSError) as error:
            raise TryLater(f"The DNS does not tell of {name}: {type(error).__name__}.") from error
        secure = bool(answer.response.flags & dns.flags.AD)
        if answer.rrset is None:
            return Answer([], secure, True, _negative_ttl(answer.response))
        return Answer([read(each) for each in answer], secure, True, int(answer.rrset.ttl))

    def _open(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            import dns.asyncresolver
            import dns.flags
            import dns.nameserver

            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers
                ]
            # AD in a question asks for AD in the answer (RFC 6840 5.7); DO would bring signatures.
            resolver.flags = dns.flags.RD | dns.flags.AD
            resolver.use_edns(0, 0, 1232)
            self._resolver = resolver
        return self._resolver


def _negative_ttl(response: Any) -> int:
    """RFC 2308 5: the lesser of the SOA's own TTL and its minimum."""
    import dns.rdatatype

    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(int(rrset.ttl), int(rrset[0].minimum), NEGATIVE_TTL)
    return 0


def _plain(name: Any) -> str:
    text: str = name.to_text(omit_final_dot=True)
    return text.lower().removesuffix(".")

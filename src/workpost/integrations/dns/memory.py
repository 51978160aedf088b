"""A DNS of its own: knows what it was told, for tests and installations without an outside."""

from __future__ import annotations

import ipaddress

from workpost.integrations.dns.base import Answer, Srv, Tlsa
from workpost.kernel.errors import TryLater

TTL = 300


class MemoryResolver:
    """Answers from `records`: (type, name in lower case) to values as a zone file has them.

    Names in `secure` (and below them) are signed.
    """

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.records = records if records is not None else {}
        self.secure: set[str] = set()
        self.broken = False
        """True: every question fails."""
        self.failing: set[str] = set()
        """Names of which every question fails."""
        self.asked: list[tuple[str, str]] = []

    async def a(self, name: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        return self._follow("A", name)

    async def aaaa(self, name: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        return self._follow("AAAA", name)

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        """(preference, host) of a domain."""
        found = self._follow("MX", name)
        pairs = [value.split() for value in found.values]
        values = sorted((int(preference), _plain(host)) for preference, host in pairs)
        return Answer(values, found.secure, found.exists, found.ttl)

    async def txt(self, name: str) -> Answer[str]:
        """The texts of a name; CNAMEs are followed."""
        return self._follow("TXT", name)

    async def cname(self, name: str) -> Answer[str]:
        """The name that this one is an alias of, or none."""
        found = self._answer("CNAME", name)
        return Answer([_plain(each) for each in found.values], found.secure, found.exists, TTL)

    async def ptr(self, address: str) -> Answer[str]:
        """The names of an IP address."""
        name = ipaddress.ip_address(address).reverse_pointer
        found = self._follow("PTR", name)
        return Answer([_plain(each) for each in found.values], found.secure, found.exists, TTL)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """The TLSA records of a name."""
        found = self._follow("TLSA", name)
        values = []
        for text in found.values:
            usage, selector, matching, data = text.split(maxsplit=3)
            octets = bytes.fromhex(data.replace(" ", ""))
            values.append(Tlsa(int(usage), int(selector), int(matching), octets))
        return Answer(values, found.secure, found.exists, found.ttl)

    async def srv(self, name: str) -> Answer[Srv]:
        """The servers of a service."""
        found = self._follow("SRV", name)
        values = []
        for text in found.values:
            priority, weight, port, target = text.split()
            values.append(Srv(int(priority), int(weight), int(port), _plain(target)))
        return Answer(sorted(values), found.secure, found.exists, found.ttl)

    async def caa(self, name: str) -> Answer[tuple[str, str]]:
        """(tag, value) of the CAA records of a name."""
        found = self._follow("CAA", name)
        values = []
        for text in found.values:
            _, tag, value = text.split(maxsplit=2)
            values.append((tag.lower(), value.strip('"')))
        return Answer(values, found.secure, found.exists, found.ttl)

    def _follow(self, kind: str, name: str) -> Answer[str]:
        secure = True
        for _ in range(8):
            alias = self._answer("CNAME", name)
            if not alias.values:
                break
            secure &= alias.secure
            name = alias.values[0]
        found = self._answer(kind, name)
        return Answer(found.values, found.secure and secure, found.exists, TTL)

    def _answer(self, kind: str, name: str) -> Answer[str]:
        plain = _plain(name)
        self.asked.append((kind, plain))
        if self.broken or plain in self.failing:
            raise TryLater(f"The DNS does not tell of {plain}.")
        values = list(self.records.get((kind, plain), ()))
        exists = bool(values) or any(
            owner == plain or owner.endswith(f".{plain}") for _, owner in self.records
        )
        return Answer(values, self._is_secure(plain), exists, TTL)

    def _is_secure(self, name: str) -> bool:
        return any(name == zone or name.endswith(f".{zone}") for zone in self.secure)


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")

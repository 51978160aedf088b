"""What Workpost asks of the DNS."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import msgspec

T = TypeVar("T")


class Tlsa(msgspec.Struct, frozen=True):
    """A TLSA record (RFC 6698 2.1): certificate usage, selector, matching type, data."""

    usage: int
    selector: int
    matching: int
    data: bytes


class Srv(msgspec.Struct, frozen=True, order=True):
    """An SRV record (RFC 2782); `target` in lower case, "" for a service that is not there."""

    priority: int
    weight: int
    port: int
    target: str


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """The records of one name and type, CNAMEs followed.

    `secure` is the AD bit: a validating resolver that the operator trusts has checked DNSSEC.
    `exists` False is NXDOMAIN; a name without records of the type exists. `ttl` in seconds.
    """

    values: list[T]
    secure: bool = False
    exists: bool = True
    ttl: int = 0


class Resolver(Protocol):
    """Looks records up. Names are ASCII, with or without the last dot; answers come without it.

    A name or type that does not exist is an answer without values. Every method raises TryLater
    where no server gives an answer in time, and for an answer that is an error (SERVFAIL, and so
    what a validating server found to be bogus).
    """

    async def a(self, name: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        ...

    async def aaaa(self, name: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        ...

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        """(preference, host in lower case) of a domain, most preferred first; "" is null MX."""
        ...

    async def txt(self, name: str) -> Answer[str]:
        """The texts of a name, each of one piece (RFC 7208 3.3)."""
        ...

    async def cname(self, name: str) -> Answer[str]:
        """The name that this one is an alias of, in lower case, or none."""
        ...

    async def ptr(self, address: str) -> Answer[str]:
        """The names of an IP address, in lower case."""
        ...

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """The TLSA records of a name such as `_25._tcp.mail.example.test`."""
        ...

    async def srv(self, name: str) -> Answer[Srv]:
        """The servers of a service such as `_imaps._tcp.example.test`."""
        ...

    async def caa(self, name: str) -> Answer[tuple[str, str]]:
        """(tag, value) of the CAA records of this very name (RFC 8659), tags in lower case."""
        ...

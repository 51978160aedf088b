"""The servers of a domain (RFC 5321 5): MX, null MX, addresses, address literals, ourselves."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable

import msgspec

from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.integrations.dns.base import Answer, Resolver
from workpost.integrations.smtp.base import State
from workpost.kernel.errors import TryLater

MAX_HOSTS = 20
"""Hosts of one domain that are looked at."""
MAX_ADDRESSES = 8
"""Addresses of one host."""
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class NoRoute(Exception):
    """There is no server to send to, for good or for now."""

    def __init__(self, state: State, status: str, text: str) -> None:
        super().__init__(text)
        self.state: State = state
        self.status = status
        self.text = text


class Exchange(msgspec.Struct, frozen=True):
    """A host that takes mail of a domain; `secure`: the DNS signed that it does."""

    host: str
    preference: int = 0
    secure: bool = False


class Addresses(msgspec.Struct, frozen=True):
    """IP addresses of a host in the order in which they are tried; `secure`: signed."""

    values: list[str]
    secure: bool = False


def dns_name(route: str) -> str:
    """A domain as the DNS has it. Raises NoRoute."""
    try:
        name = ascii_domain(fold_domain(route))
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name) or len(name) > 253:
        raise NoRoute("failed", "5.1.2", f"The domain {route!r} cannot be looked up.")
    return name


def literal_address(route: str) -> str | None:
    """The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`, None for a domain. Raises NoRoute."""
    if not route.startswith("["):
        return None
    inner = route.removeprefix("[").removesuffix("]")
    try:
        if inner.lower().startswith("ipv6:"):
            return str(ipaddress.IPv6Address(inner[5:]))
        return str(ipaddress.IPv4Address(inner))
    except ValueError:
        raise NoRoute("failed", "5.1.2", f"{route} is no address that can be reached.") from None


async def find_exchanges(
    resolver: Resolver, domain: str, own_names: frozenset[str], draw: Callable[[], bytes]
) -> list[Exchange]:
    """The hosts to try, in order; those that are preferred alike in an order that `draw` decides.

    Where we are one of them, only those before us stay (RFC 5321 5.1). A domain without MX records
    is its own host. Raises NoRoute.
    """
    try:
        found = await resolver.mx(domain)
    except TryLater:
        raise NoRoute("deferred", "4.4.3", f"The DNS does not tell of {domain} now.") from None
    if not found.values:
        if not found.exists:
            raise NoRoute("failed", "5.1.2", f"The domain {domain} does not exist.")
        return [Exchange(domain, 0, found.secure)]
    named = [(preference, host) for preference, host in found.values if _HOST.fullmatch(host)]
    if not named:
        if all(not host for _, host in found.values):
            # RFC 7505: null MX.
            raise NoRoute("failed", "5.1.10", f"The domain {domain} takes no mail.")
        raise NoRoute("failed", "5.4.4", f"The MX records of {domain} name no host.")
    ours = [preference for preference, host in named if host in own_names]
    if ours:
        named = [each for each in named if each[0] < min(ours)]
        if not named:
            raise NoRoute(
                "failed", "5.4.6", f"The mail for {domain} loops back to ourselves: we are its MX."
            )
    shuffled = sorted((preference, draw(), host) for preference, host in named)
    return [Exchange(host, preference, found.secure) for preference, _, host in shuffled][
        :MAX_HOSTS
    ]


async def find_addresses(resolver: Resolver, host: str) -> Addresses:
    """The addresses of a host, IPv6 and IPv4 in turn. Raises TryLater."""
    six, four = await asyncio.gather(_quietly(resolver.aaaa(host)), _quietly(resolver.a(host)))
    failed = next((each for each in (six, four) if isinstance(each, TryLater)), None)
    answers = [each for each in (six, four) if not isinstance(each, TryLater)]
    values = [each for each in answers if each.values]
    if failed is not None and not values:
        raise failed
    mixed: list[str] = []
    for number in range(MAX_ADDRESSES):
        mixed += [each.values[number] for each in values if number < len(each.values)]
    secure = failed is None and all(each.secure for each in answers)
    return Addresses(mixed[:MAX_ADDRESSES], secure)


async def _quietly(asking: Awaitable[Answer[str]]) -> Answer[str] | TryLater:
    try:
        return await asking
    except TryLater as error:
        return error

"""SPF: may this host send mail for this domain? (RFC 7208)

Bounded as RFC 7208 4.6.4 asks: ten terms that ask the DNS, two answers without records, ten names
of an MX or PTR answer, twenty seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeVar

import msgspec

from workpost.formats.addresses import ascii_domain, fold_domain, split
from workpost.formats.mailauth import spf as syntax
from workpost.formats.mailauth.spf import Mechanism, Spec, SpfError, SpfRecord
from workpost.integrations.dns.base import Answer, Resolver
from workpost.kernel.errors import TryLater

SECONDS = 20.0
MAX_LOOKUPS = 10
MAX_VOID = 2
MAX_NAMES = 10
"""Hosts of an MX answer, of which more are an error, and names of a PTR answer that are read."""
MAX_ADDRESSES = 1_000
"""Addresses of one answer that are compared."""
MAX_EXPLANATION = 256
REMEMBERED = 4_096
"""Peers and domains that need not be read again: few servers send most mail."""

T = TypeVar("T")


class SpfResult(msgspec.Struct, frozen=True):
    """What a check found: one of the seven results (RFC 7208 2.6) for `domain`.

    `reason` says what is wrong with the record or the DNS, or which term decided; `explanation` is
    what the domain says of a fail itself, printable ASCII (RFC 7208 6.2).
    """

    result: str
    domain: str
    reason: str = ""
    explanation: str = ""


class _PermError(Exception):
    """The record cannot be used."""


class _TempError(Exception):
    """The DNS does not answer."""


async def check_spf(
    resolver: Resolver, *, peer: str, helo: str, sender: str, host: str, now: int = 0
) -> SpfResult:
    """Check the host `peer` (an IP address) for the domain of `sender`; never raises.

    For the null sender the domain is `helo`. `host` is our own name, `now` in seconds; both are
    used in explanations only.
    """
    try:
        async with asyncio.timeout(SECONDS):
            return await check_untimed(
                resolver, peer=peer, helo=helo, sender=sender, host=host, now=now
            )
    except TimeoutError:
        domain = ascii_domain(fold_domain(split(sender)[1] if sender else helo))
        return SpfResult("temperror", domain, "the DNS took too long")


async def check_untimed(
    resolver: Resolver, *, peer: str, helo: str, sender: str, host: str, now: int = 0
) -> SpfResult:
    """`check_spf` without an end, for callers who have one of their own."""
    local, domain = split(sender) if sender else ("postmaster", helo)
    domain = ascii_domain(fold_domain(domain))
    address = _read_address(peer) if len(peer) <= syntax.MAX_NAME else None
    if address is None:
        return SpfResult("none", domain, "the peer has no IP address")
    if not is_domain(domain):
        return SpfResult("none", domain, "there is no domain to ask")
    check = _Check(resolver, address, local or "postmaster", domain, helo, host, now)
    try:
        return await check.run()
    except _PermError as error:
        return SpfResult("permerror", domain, str(error))
    except _TempError as error:
        return SpfResult("temperror", domain, str(error))


@lru_cache(REMEMBERED)
def _read_address(peer: str) -> IPv4Address | IPv6Address | None:
    try:
        # The zone of a link-local address is our own matter.
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_domain(name: str) -> bool:
    """Whether a name in ASCII can have records of mail: two labels at least, none malformed."""
    return "." in name and _is_askable(name) and name[0] != "["


def _is_askable(name: str) -> bool:
    """Whether a DNS query can be made of a name; one that cannot does not exist."""
    return 0 < len(name) <= syntax.MAX_NAME and _has_labels(name)


@lru_cache(REMEMBERED)
def _has_labels(name: str) -> bool:
    if not name.isascii() or not name.isprintable():
        return False
    if "\\" in name:
        # It would mean something in the text form of names.
        return False
    return all(0 < len(label) < 64 for label in name.split("."))


class _Check:
    """One check, with the limits that it has used up."""

    def __init__(
        self,
        resolver: Resolver,
        address: IPv4Address | IPv6Address,
        local: str,
        domain: str,
        helo: str,
        host: str,
        now: int,
    ) -> None:
        self._resolver = resolver
        self._address = address
        self._value = int(address)
        self._is_v4 = isinstance(address, IPv4Address)
        self._width = 32 if self._is_v4 else 128
        self._origin = (local, domain, helo, host, now)
        self._lookups = 0
        self._void = 0
        self._validated: list[str] | None = None

    async def run(self) -> SpfResult:
        domain = self._origin[1]
        result, reason, record, last = await self._check_host(domain)
        explained = ""
        if result == "fail" and record is not None and record.explanation is not None:
            explained = await self._explain(record.explanation, last)
        return SpfResult(result, domain, reason, explained)

    async def _check_host(self, domain: str) -> tuple[str, str, SpfRecord | None, str]:
        """check_host() of RFC 7208 4; also why, and the record and domain it ended at."""
        record = await self._record(domain)
        if record is None:
            return "none", "there is no record", None, domain
        while True:
            for mechanism in record.mechanisms:
                if await self._matches(mechanism, domain):
                    return mechanism.result, f"{mechanism.kind} decides", record, domain
            if record.redirect is None:
                return "neutral", "nothing matches", record, domain
            self._count()
            domain = await self._name(record.redirect, domain)
            if not _is_askable(domain):
                raise _PermError("redirect= leads to no domain")
            redirected = await self._record(domain)
            if redirected is None:
                raise _PermError("redirect= leads to no record")
            record = redirected

    async def _record(self, domain: str) -> SpfRecord | None:
        answer = await self._ask(self._resolver.txt, domain)
        found = [text for text in answer.values if syntax.is_spf(text)]
        if len(found) > 1:
            raise _PermError("there are several records")
        try:
            return syntax.parse_spf(found[0]) if found else None
        except SpfError as error:
            raise _PermError(str(error)) from None

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        kind = mechanism.kind
        if kind == "all":
            return True
        if kind in {"ip4", "ip6"}:
            return self._is_v4 == (kind == "ip4") and self._is_in(mechanism.network, mechanism)
        self._count()
        name = domain
        if mechanism.target is not None:
            name = await self._name(mechanism.target, domain)
        if kind == "ptr":
            return any(_is_below(each, name) for each in await self._names())
        if kind == "include":
            return await self._includes(name)
        if not _is_askable(name):
            return False
        if kind == "exists":
            return bool((await self._ask_counted(self._resolver.a, name)).values)
        if kind == "a":
            return await self._has_address(name, mechanism)
        hosts = (await self._ask_counted(self._resolver.mx, name)).values
        if len(hosts) > MAX_NAMES:
            raise _PermError("there are too many MX hosts")
        for _, host in hosts:
            if _is_askable(host) and await self._has_address(host, mechanism):
                return True
        return False

    async def _includes(self, name: str) -> bool:
        if not _is_askable(name):
            raise _PermError("include leads to no domain")
        result, *_ = await self._check_host(name)
        if result == "none":
            raise _PermError("include leads to no record")
        return result == "pass"

    async def _has_address(self, name: str, mechanism: Mechanism) -> bool:
        ask = self._resolver.a if self._is_v4 else self._resolver.aaaa
        addresses = (await self._ask_counted(ask, name)).values
        return any(
            self._is_in(int(ip_address(each)), mechanism) for each in addresses[:MAX_ADDRESSES]
        )

    def _is_in(self, network: int, mechanism: Mechanism) -> bool:
        shift = self._width - (mechanism.bits4 if self._is_v4 else mechanism.bits6)
        return self._value >> shift == network >> shift

    async def _names(self) -> list[str]:
        """The validated names of the host (RFC 7208 5.5); what the DNS does not tell is skipped."""
        if self._validated is None:
            self._validated = []
            ask = self._resolver.a if self._is_v4 else self._resolver.aaaa
            try:
                names = (await self._ask(self._resolver.ptr, str(self._address))).values
            except _TempError:
                names = []
            for name in names[:MAX_NAMES]:
                if not _is_askable(name):
                    continue
                try:
                    addresses = (await self._ask(ask, name)).values
                except _TempError:
                    continue
                if any(ip_address(each) == self._address for each in addresses[:MAX_ADDRESSES]):
                    self._validated.append(name)
        return self._validated

    async def _name(self, spec: Spec, domain: str) -> str:
        if not spec.letters:
            return syntax.expand_name(spec, {})
        try:
            return syntax.expand_name(spec, await self._values(spec, domain))
        except SpfError as error:
            raise _PermError(str(error)) from None

    async def _values(self, spec: Spec, domain: str) -> dict[str, str]:
        """What the macros stand for (RFC 7208 7.3)."""
        local, origin, helo, host, now = self._origin
        values = {
            "s": f"{local}@{origin}",
            "l": local,
            "o": origin,
            "d": domain,
            "i": _dotted(self._address),
            "h": helo,
            "v": "in-addr" if self._is_v4 else "ip6",
            "c": str(self._address),
            "r": host,
            "t": str(now),
        }
        if "p" in spec.letters:
            values["p"] = self._best_name(await self._names(), domain)
        return values

    @staticmethod
    def _best_name(names: list[str], domain: str) -> str:
        """The domain itself if it is among the names, else one below it, else any."""
        if domain in names:
            return domain
        below = [name for name in names if _is_below(name, domain)]
        return (below or names or ["unknown"])[0]

    async def _explain(self, spec: Spec, domain: str) -> str:
        """What the domain says of a fail; "" for whatever is wrong with that (RFC 7208 6.2)."""
        try:
            name = await self._name(spec, domain)
            if not _is_askable(name):
                return ""
            texts = (await self._ask(self._resolver.txt, name)).values
            if len(texts) != 1:
                return ""
            said = syntax.explanation(texts[0])
            text = syntax.expand(said, await self._values(said, domain))
        except (_PermError, _TempError, SpfError):
            return ""
        return text[:MAX_EXPLANATION] if text.isascii() and text.isprintable() else ""

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise _PermError("there are too many terms that ask the DNS")

    async def _ask(self, ask: Callable[[str], Awaitable[Answer[T]]], name: str) -> Answer[T]:
        try:
            return await ask(name)
        except TryLater as error:
            raise _TempError(error.message) from None

    async def _ask_counted(
        self, ask: Callable[[str], Awaitable[Answer[T]]], name: str
    ) -> Answer[T]:
        answer = await self._ask(ask, name)
        if not answer.values:
            self._void += 1
            if self._void > MAX_VOID:
                raise _PermError("there are too many names without records")
        return answer


def _is_below(name: str, domain: str) -> bool:
    name, domain = name.lower(), domain.lower()
    return name == domain or name.endswith(f".{domain}")


def _dotted(address: IPv4Address | IPv6Address) -> str:
    """The macro `i`: nibbles for IPv6."""
    if isinstance(address, IPv4Address):
        return str(address)
    return ".".join(f"{int(address):032X}")

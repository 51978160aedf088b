"""The ways to a route's servers, in the order in which they are tried."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator

import msgspec

from workpost.domain.organizations.smtp_gateways import open_gateway
from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.formats.tls_feedback import Failure
from workpost.integrations.egress.addresses import is_allowed
from workpost.integrations.egress.client import resolve
from workpost.integrations.smtp.base import State
from workpost.integrations.smtp.opening import HostFailed, Login, Server
from workpost.kernel.errors import ResourceNotFound, TryLater
from workpost.kernel.listeners import parse_address
from workpost.kernel.outbound_settings import Outbound
from workpost.operations.outbound.hosts import (
    Exchange,
    NoRoute,
    dns_name,
    find_addresses,
    find_exchanges,
    literal_address,
)
from workpost.operations.outbound.mta_sts import Found, StsPolicies
from workpost.operations.outbound.pool import Key
from workpost.operations.outbound.tls_policy import (
    TlsPolicy,
    Unsafe,
    Want,
    level_of,
    policy_for_exchange,
    policy_for_named,
)
from workpost.operations.outbound.tls_tallies import note
from workpost.store.core import Core
from workpost.store.tables.queue_kinds import gateway_of

IMPLICIT_TLS = 465
"""The port of gateways where TLS comes first (RFC 8314)."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One address to connect to."""

    server: Server
    policy: TlsPolicy
    domain: str = ""
    """Of reports; empty: the operator has named the server."""
    login: Login | None = None


class Dead(msgspec.Struct, frozen=True):
    """A host that is no way, and why."""

    host: str
    failure: HostFailed


Ways = AsyncGenerator[Way | Dead, None]


class Map:
    """Finds ways by settings and DNS; `port` is where other servers listen."""

    def __init__(self, core: Core, port: int = 25, sts_port: int = 443) -> None:
        self._core = core
        self._port = port
        self._sts = StsPolicies(core, sts_port)

    @property
    def _settings(self) -> Outbound:
        return self._core.settings.outbound

    def key(self, route: str, want: Want) -> Key:
        """What sessions are kept under: those of one key serve the same mail."""
        if gateway_of(route):
            return route, want.always, want.never_mind
        named = self._named(route)
        return (named or (self._settings.relay or route.lower())), want.always, want.never_mind

    def _named(self, route: str) -> str:
        """The server that a static route names."""
        routes = dict(each.lower().split("=", 1) for each in self._settings.routes)
        return routes.get(route.lower(), routes.get("*", ""))

    def ways(self, route: str, want: Want) -> Ways:
        """The ways to the servers of a route. Iterating raises NoRoute where there is none.

        Through a gateway also KeyDestroyed and TryLater.
        """
        if gateway := gateway_of(route):
            return self._to_gateway(*gateway, want)
        if named := self._named(route):
            level = level_of(self._settings.tls, route) or "may"
            return self._to_named(named, policy_for_named(level, self._settings.ca_file, want))
        if self._settings.relay:
            return self._to_relay(want)
        return self._by_dns(route, want)

    async def _to_gateway(self, organization: str, gateway_id: str, want: Want) -> Ways:
        """To an organization's own server: never without TLS, never into our own networks."""
        try:
            gateway = await open_gateway(self._core, organization, gateway_id)
        except ResourceNotFound:
            raise NoRoute("failed", "5.4.4", "The SMTP gateway is not there any more.") from None
        try:
            addresses = await resolve(gateway.host, gateway.port)
        except (OSError, UnicodeError):
            raise NoRoute("deferred", "4.4.3", f"{gateway.host} has no address now.") from None
        policy = policy_for_named("verify", self._settings.ca_file, want)
        login = Login(gateway.username, gateway.password)
        for way in self._allowed(gateway.host, addresses, policy, ""):
            if isinstance(way, Way):
                server = Server(
                    gateway.host, way.server.address, gateway.port, gateway.port == IMPLICIT_TLS
                )
                way = Way(server=server, policy=policy, login=login)
            yield way

    async def _to_relay(self, want: Want) -> Ways:
        settings = self._settings
        level = "none" if settings.relay_tls == "none" else "verify"
        login = None
        if settings.relay_user:
            login = Login(settings.relay_user, _password(settings))
        policy = policy_for_named(level, settings.ca_file, want)  # type: ignore[arg-type]
        first = settings.relay_tls == "implicit"
        async for way in self._to_named(settings.relay, policy, login, tls_first=first):
            yield way

    async def _to_named(
        self,
        place: str,
        policy: TlsPolicy,
        login: Login | None = None,
        *,
        tls_first: bool = False,
    ) -> Ways:
        """To where the operator says: any address, looked up as the machine does."""
        host, port = parse_address(place)
        try:
            addresses = await resolve(host, port)
        except (OSError, UnicodeError):
            raise NoRoute("deferred", "4.4.3", f"{host} has no address now.") from None
        for address in addresses:
            server = Server(host, address, port, tls_first)
            yield Way(server=server, policy=policy, login=login)

    async def _by_dns(self, route: str, want: Want) -> Ways:
        address = literal_address(route)
        if address is not None:
            policy = policy_for_named(level_of(self._settings.tls, route) or "may", "", want)
            if want.always:
                raise NoRoute("failed", "5.7.10", f"Nothing proves who answers at {route}.")
            for way in self._allowed(route, [address], policy, ""):
                yield way
            return
        core, domain = self._core, dns_name(route)
        own = own_names(core)
        exchanges = await find_exchanges(
            core.resolver, domain, own, lambda: core.env.random_bytes(8)
        )
        sts = await self._policy_of(domain, want)
        for exchange in exchanges:
            async for way in self._to_exchange(exchange, domain, sts, want):
                yield way

    async def _policy_of(self, domain: str, want: Want) -> Found:
        if not self._settings.mta_sts or want.never_mind:
            return Found()
        found = await self._sts.find(domain)
        if found.problem:
            policy = TlsPolicy(ladder=(), kind="sts")
            note(self._core, domain, policy, Failure(found.problem))
        return found

    async def _to_exchange(self, exchange: Exchange, domain: str, sts: Found, want: Want) -> Ways:
        settings, host = self._settings, exchange.host
        try:
            addresses = await find_addresses(self._core.resolver, host)
        except TryLater:
            text = f"The DNS does not tell the addresses of {host} now."
            yield Dead(host, HostFailed(text, "4.4.3", reached=False))
            return
        if not addresses.values:
            yield Dead(
                host,
                HostFailed(f"{host} has no address.", "5.4.4", state="failed", reached=False),
            )
            return
        try:
            policy = await policy_for_exchange(
                self._core.resolver,
                exchange,
                domain=domain,
                port=self._port,
                addresses_secure=addresses.secure,
                sts=sts,
                want=want,
                level=level_of(settings.tls, domain),
                dane=settings.dane,
                ca_file=settings.ca_file,
            )
        except Unsafe as error:
            yield Dead(host, self._unsafe(error, host, domain, sts))
            return
        for way in self._allowed(host, addresses.values, policy, domain):
            yield way

    def _unsafe(self, error: Unsafe, host: str, domain: str, sts: Found) -> HostFailed:
        if error.problem:
            lines = tuple(sts.policy.lines) if sts.policy else ()
            mx = sts.policy.mx if sts.policy else ()
            is_dane = error.problem == "dnssec-invalid"
            policy = (
                TlsPolicy(ladder=(), kind="tlsa", mx=(host,))
                if is_dane
                else TlsPolicy(ladder=(), kind="sts", lines=lines, mx=mx)
            )
            note(self._core, domain, policy, Failure(error.problem, host=host))
        state: State = "failed" if error.final else "deferred"
        return HostFailed(error.text, error.status, state=state, reached=False)

    def _allowed(
        self, host: str, addresses: list[str], policy: TlsPolicy, domain: str
    ) -> list[Way | Dead]:
        """What a stranger's DNS says never leads into our own networks."""
        good = [each for each in addresses if is_allowed(each, self._settings.allow)]
        if not good:
            text = f"{host} has no address of the public internet."
            return [Dead(host, HostFailed(text, "5.4.4", state="failed", reached=False))]
        return [
            Way(server=Server(host, each, self._port), policy=policy, domain=domain)
            for each in good
        ]


def own_names(core: Core) -> frozenset[str]:
    """The names under which servers may know us."""
    names = (core.settings.host_name, helo_name(core))
    return frozenset(name.lower() for name in names)


def helo_name(core: Core) -> str:
    """What we call ourselves: a name, or an address literal where it is an address."""
    name = core.settings.outbound.helo or core.settings.host_name
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return ascii_domain(fold_domain(name))
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


def _password(settings: Outbound) -> str:
    """The relay's password. Raises NoRoute where its file cannot be read."""
    if not settings.relay_password_file:
        return settings.relay_password
    try:
        with open(settings.relay_password_file, encoding="utf-8") as file:
            return file.read().strip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise NoRoute(
            "deferred", "4.3.5", "The file of the relay's password cannot be read."
        ) from None

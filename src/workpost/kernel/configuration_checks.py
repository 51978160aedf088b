"""What types cannot say of settings: addresses, networks, URLs, and keys that need each other."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from workpost.kernel.directory_settings import ATTRIBUTES, NEEDED, Directory
from workpost.kernel.listeners import check_listeners, is_loopback, parse_address
from workpost.kernel.operator_settings import check_acme
from workpost.kernel.outbound_settings import Outbound
from workpost.kernel.outside_settings import Function
from workpost.kernel.queue_settings import time_zone
from workpost.kernel.settings import Settings, SettingsError


def check_settings(settings: Settings) -> None:
    """Raise SettingsError, one line, for what types cannot refuse."""
    try:
        check_listeners(settings)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    for network in settings.smtp.unlimited:
        _try("smtp.unlimited", ipaddress.ip_network, network)
    _try("sieve.time_zone", time_zone, settings.sieve.time_zone)
    for address in settings.dns.servers:
        _try("dns.servers", _check_server, address)
    for network in settings.ops.allow:
        _try("ops.allow", ipaddress.ip_network, network)
    for network in settings.authentication.trusted_networks:
        _try("authentication.trusted_networks", ipaddress.ip_network, network)
    _check_identity(settings)
    for network in settings.egress.allow:
        _try("egress.allow", ipaddress.ip_network, network)
    _check_outbound(settings.outbound)
    for function in settings.lambda_.functions:
        _check_function(function)
    if settings.lambda_.endpoint:
        _try("lambda.endpoint", _check_url, settings.lambda_.endpoint)
    for name, url in (("database.url", settings.database.url), ("keys.url", settings.keys.url)):
        if url and not url.startswith(("postgresql://", "postgres://", "sqlite:/")):
            raise SettingsError(f"{name}: must be postgresql://... or sqlite:/absolute/path")
    if bool(settings.tls.certificate) != bool(settings.tls.key):
        raise SettingsError("tls: certificate and key must both be set, or neither")
    check_acme(settings.acme, settings.hostname, settings.tls.certificate)
    if settings.content.s3_prefix and not settings.content.s3_bucket:
        raise SettingsError("content.s3_prefix: has no meaning without content.s3_bucket")
    for id, directory in settings.directories.items():
        _check_directory(f"directories.{id}", directory)


def _check_function(function: Function) -> None:
    if function.url or function.kind == "http":
        _try("lambda.functions", _check_url, function.url)
    if function.kind == "callable":
        for name in ("handler", "path"):
            if not getattr(function, name):
                raise SettingsError(f"lambda.functions: {function.arn} has no {name}")


def _check_outbound(outbound: Outbound) -> None:
    for network in outbound.allow:
        _try("outbound.allow", ipaddress.ip_network, network)
    for route in outbound.routes:
        _try("outbound.routes", parse_address, route.partition("=")[2])
    if outbound.source_ipv4:
        _try("outbound.source_ipv4", ipaddress.IPv4Address, outbound.source_ipv4)
    if outbound.source_ipv6:
        _try("outbound.source_ipv6", ipaddress.IPv6Address, outbound.source_ipv6)
    host = _try("outbound.relay", parse_address, outbound.relay)[0] if outbound.relay else ""
    if outbound.relay_password and outbound.relay_password_file:
        raise SettingsError("outbound: relay_password and relay_password_file are both set")
    if bool(outbound.relay_user) != bool(outbound.relay_password or outbound.relay_password_file):
        raise SettingsError("outbound: relay_user and a password must both be set, or neither")
    if outbound.relay_user and outbound.relay_tls == "none" and not is_loopback(host):
        raise SettingsError("outbound.relay_tls: a password is sent over TLS only")


def _check_identity(settings: Settings) -> None:
    seen = set()
    for provider in settings.identity.providers:
        _try("identity.providers", urlsplit, provider.issuer)
        url = urlsplit(provider.issuer)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise SettingsError(f"identity.providers: the issuer {provider.issuer} is not https")
        if (provider.account, provider.instance_arn) in seen:
            raise SettingsError(f"identity.providers: {provider.instance_arn} is there twice")
        seen.add((provider.account, provider.instance_arn))


def _check_directory(name: str, directory: Directory) -> None:
    for field in ("account", "urls", "bind_dn", "password_file", "base_dn"):
        if not getattr(directory, field):
            raise SettingsError(f"{name}.{field}: must be set")
    for url in directory.urls:
        scheme, host, _ = _try(f"{name}.urls", parse_ldap_url, url)
        if directory.without_tls and scheme == "ldap" and not is_loopback(host):
            raise SettingsError(f"{name}.without_tls: {host} is not on loopback")
    for pair in directory.attributes:
        of, _, attribute = pair.partition("=")
        if of not in ATTRIBUTES or (of in NEEDED and not attribute):
            raise SettingsError(f"{name}.attributes: '{pair}' is not possible")


def parse_ldap_url(url: str) -> tuple[str, str, int]:
    """Split `ldaps://host:636`, port optional; raises ValueError with what is wrong."""
    scheme, _, place = url.partition("://")
    ports = {"ldap": 389, "ldaps": 636}
    if scheme not in ports:
        raise ValueError(f"'{url}' does not begin with ldaps:// or ldap://")
    if not re.search(r":[0-9]+$", place):
        place = f"{place}:{ports[scheme]}"
    return scheme, *parse_address(place)


def _try(name: str, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _check_server(text: str) -> None:
    host, _ = parse_address(text)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"'{text}' does not begin with an IP address") from None


def _check_url(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"'{text}' is not a URL of http or https")
    if parts.username is not None:
        raise ValueError("a URL holds no user name or password")

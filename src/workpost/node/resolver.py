"""The resolvers that the settings describe."""

from __future__ import annotations

from workpost.integrations.dns.base import Resolver
from workpost.integrations.dns.caching import CachingResolver
from workpost.integrations.dns.real import DnsResolver
from workpost.kernel.clock import Environment
from workpost.kernel.listeners import parse_address
from workpost.kernel.settings import Settings


def build_resolver(settings: Settings) -> Resolver:
    """A resolver over the configured servers, or the machine's own; every question is asked."""
    return DnsResolver([parse_address(server) for server in settings.dns.servers])


def build_caching_resolver(settings: Settings, env: Environment) -> Resolver:
    """The same, with what it heard kept as long as it may be: for mail flow."""
    return CachingResolver(build_resolver(settings), env.monotonic)

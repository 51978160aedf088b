"""The resolver that the settings describe."""

from __future__ import annotations

from workpost.integrations.dns.base import Resolver
from workpost.kernel.configuration import parse_address
from workpost.kernel.settings import Settings


def build_resolver(settings: Settings) -> Resolver:
    """A resolver over the configured servers, or the machine's own."""
    # Half of the processes never look anything up.
    from workpost.integrations.dns.real import DnsResolver

    return DnsResolver([parse_address(server) for server in settings.dns.servers])

"""The resolver that the settings describe."""

from __future__ import annotations

from workpost.integrations.dns.base import Resolver
from workpost.kernel.configuration import parse_address
from workpost.kernel.settings import Settings


class LateResolver:
    """A resolver over DNS servers that loads when it is first asked: most processes never do."""

    def __init__(self, servers: list[tuple[str, int]]) -> None:
        self._servers = servers
        self._made: Resolver | None = None

    def _real(self) -> Resolver:
        if self._made is None:
            from workpost.integrations.dns.real import DnsResolver

            self._made = DnsResolver(self._servers)
        return self._made

    async def txt(self, name: str) -> list[str]:
        """The texts of a name."""
        return await self._real().txt(name)

    async def cname(self, name: str) -> str:
        """The name that this one is an alias of, or ""."""
        return await self._real().cname(name)

    async def mx(self, name: str) -> list[tuple[int, str]]:
        """(preference, host) of a domain."""
        return await self._real().mx(name)


def build_resolver(settings: Settings) -> Resolver:
    """A resolver over the configured servers, or the machine's own."""
    return LateResolver([parse_address(server) for server in settings.dns.servers])

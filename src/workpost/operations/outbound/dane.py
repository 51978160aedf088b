"""TLSA records of a mail server (RFC 7672 2.2), believed only where the DNS is signed."""

from __future__ import annotations

from workpost.integrations.dns.base import Resolver, Tlsa
from workpost.integrations.smtp.security import usable


async def find_tlsa(resolver: Resolver, host: str, port: int) -> tuple[Tlsa, ...] | None:
    """The usable TLSA records of a host whose name and addresses are signed.

    None: there are none, DANE does not apply. Empty: there are some, but none that SMTP can use, so
    that TLS is needed with whatever certificate (RFC 7672 2.2). Raises TryLater: the host must not
    be used (RFC 7672 2.1.2).
    """
    for name in await _names(resolver, host):
        found = await resolver.tlsa(f"_{port}._tcp.{name}")
        if found.secure and found.values:
            return tuple(usable(found.values))
    return None


async def _names(resolver: Resolver, host: str) -> list[str]:
    """The name that an alias leads to before the alias itself (RFC 7672 2.2.2)."""
    alias = await resolver.cname(host)
    if alias.values and alias.secure:
        return [alias.values[0], host]
    return [host]

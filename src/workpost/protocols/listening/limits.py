"""Bounds that listeners share: what counts as one peer, octets in flight of the whole process."""

import ipaddress


def peer_network(host: str) -> str:
    """What counts as one peer: an IPv4 address, the /64 of an IPv6 address, else the name itself.

    A single machine owns a /64; counting its addresses one by one would bound nothing.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))


def is_loopback(host: str) -> bool:
    """Whether the address never leaves the machine; names and rubbish are not."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if address.version == 6 and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


class ByteBudget:
    """Octets that may be in memory at one time, over all connections of a process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def free(self) -> int:
        """Octets left, never negative."""
        return max(0, self.limit - self.used)

    def take(self, octets: int) -> bool:
        """Reserve; False, and nothing reserved, where the budget does not hold so much."""
        if self.used + octets > self.limit:
            return False
        self.used += octets
        return True

    def release(self, octets: int) -> None:
        """Give back what ``take`` reserved."""
        self.used -= octets

"""Bounds that listeners share: connections of one peer, octets in flight of the whole process."""

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


class PeerCounter:
    """Counts open sessions: at most ``each`` of one peer and ``total`` altogether.

    Both may be changed while it is in use; sessions that are open stay.
    """

    def __init__(self, each: int = 1_000, total: int = 20_000) -> None:
        self.each = each
        self.total = total
        self.open = 0
        self._peers: dict[str, int] = {}
        self._beginning: dict[str, int] = {}
        self._begins = 0

    def begin(self, network: str) -> bool:
        """Count a connection that is no session yet; False, and nothing counted, without room.

        It takes the place of a session until ``begun``.
        """
        beginning = self._beginning.get(network, 0)
        if self._peers.get(network, 0) + beginning >= self.each:
            return False
        if self.open + self._begins >= self.total:
            return False
        self._beginning[network] = beginning + 1
        self._begins += 1
        return True

    def begun(self, network: str) -> None:
        """Take back one ``begin`` that returned True: a session came of it, or nothing."""
        count = self._beginning.pop(network) - 1
        if count:
            self._beginning[network] = count
        self._begins -= 1

    def enter(self, network: str) -> bool:
        """Count one more; False, and nothing counted, where there is no room."""
        count = self._peers.get(network, 0)
        if count >= self.each or self.open >= self.total:
            return False
        self._peers[network] = count + 1
        self.open += 1
        return True

    def leave(self, network: str) -> None:
        """Take back one ``enter`` that returned True."""
        count = self._peers.pop(network) - 1
        if count:
            self._peers[network] = count
        self.open -= 1


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

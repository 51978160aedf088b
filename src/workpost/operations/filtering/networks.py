"""Which clients are somebody's own: relays of ours, and whoever sits on this machine."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

OWN = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""Networks that are everybody's own: no list knows their addresses, no stranger comes from them."""


@lru_cache(1_024)
def public_address(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of a client from outside; None for one of an own network, and for no address."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return None if any(address in network for network in OWN) else address

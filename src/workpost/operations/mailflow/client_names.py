"""Names of other servers by reverse DNS, as Received tells them (RFC 5321 4.4).

A name counts only when its own addresses confirm it: whoever runs the reverse zone of an address
may write any name there. The search begins with MAIL and is over after two seconds at most, so that
a message seldom waits for it, and never for long.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from workpost.integrations.dns.base import Resolver
from workpost.kernel.errors import TryLater

SECONDS = 2.0
MOST_NAMES = 5
"""Names of one address that are looked up."""
KEPT = 300.0
"""Seconds for which what was found, or not found, is kept."""
KNOWN = 10_000
"""Addresses that a process remembers."""


async def confirmed_name(resolver: Resolver, address: str) -> str:
    """The first name of an IP address that has this address, "" for none. Raises TryLater."""
    wanted = ipaddress.ip_address(address)
    for name in (await resolver.ptr(address)).values[:MOST_NAMES]:
        ask = resolver.a if wanted.version == 4 else resolver.aaaa
        if any(ipaddress.ip_address(each) == wanted for each in (await ask(name)).values):
            return name
    return ""


class ClientNames:
    """Looks names up once for all connections of an address."""

    def __init__(self, resolver: Resolver, clock: Callable[[], float]) -> None:
        """`clock` gives seconds and never goes back."""
        self._resolver = resolver
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._searching: dict[str, asyncio.Task[str]] = {}

    def begin(self, host: str) -> None:
        """Start the search, if there has to be one."""
        if self._recall(host) is None and host not in self._searching:
            task = asyncio.get_running_loop().create_task(self._search(host))
            self._searching[host] = task
            task.add_done_callback(lambda _: self._searching.pop(host))

    async def find(self, host: str) -> str:
        """The name of the address, "" for none that is confirmed within the time."""
        name = self._recall(host)
        if name is None:
            self.begin(host)
            name = await asyncio.shield(self._searching[host])
        return name

    def _recall(self, host: str) -> str | None:
        known = self._known.get(host)
        return known[1] if known is not None and known[0] > self._clock() else None

    async def _search(self, host: str) -> str:
        name = ""
        try:
            if not ipaddress.ip_address(host).is_loopback:
                async with asyncio.timeout(SECONDS):
                    name = await confirmed_name(self._resolver, host)
        except (ValueError, TryLater, TimeoutError):
            # No address (a Unix socket), no DNS, no time: the message goes without a name.
            name = ""
        self._known[host] = (self._clock() + KEPT, name)
        self._known.move_to_end(host)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return name

"""Answers kept as long as their TTL allows; the same question at the same time is asked once."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import msgspec

from workpost.integrations.dns.base import Answer, Resolver, Srv, Tlsa
from workpost.kernel.errors import TryLater

SIZE = 20_000
"""Answers that a process keeps."""
BYTES = 32 << 20
"""What they may take of its memory: strangers choose who is asked, and a text may have 64 KiB."""
LONGEST = 24 * 3600
SHORTEST = 5
"""Seconds for which an answer is kept, whatever its TTL: one message asks several times."""
FAILED = 5.0
"""Seconds for which a question that got no answer is not asked again."""

T = TypeVar("T")


class CachingResolver:
    """A resolver over another; `clock` gives seconds and never goes back."""

    def __init__(
        self,
        inner: Resolver,
        clock: Callable[[], float],
        size: int = SIZE,
        most_bytes: int = BYTES,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._size = size
        self._most_bytes = most_bytes
        self.bytes = 0
        """Of memory, about, that the answers take."""
        self._kept: OrderedDict[tuple[str, str], tuple[float, Answer[Any] | TryLater]] = (
            OrderedDict()
        )
        self._asking: dict[tuple[str, str], asyncio.Future[Answer[Any]]] = {}

    async def a(self, name: str) -> Answer[str]:
        """The IPv4 addresses of a host."""
        return await self._ask("A", name, self._inner.a)

    async def aaaa(self, name: str) -> Answer[str]:
        """The IPv6 addresses of a host."""
        return await self._ask("AAAA", name, self._inner.aaaa)

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        """(preference, host in lower case) of a domain, the most preferred first."""
        return await self._ask("MX", name, self._inner.mx)

    async def txt(self, name: str) -> Answer[str]:
        """The texts of a name."""
        return await self._ask("TXT", name, self._inner.txt)

    async def cname(self, name: str) -> Answer[str]:
        """The name that this one is an alias of, or none."""
        return await self._ask("CNAME", name, self._inner.cname)

    async def ptr(self, address: str) -> Answer[str]:
        """The names of an IP address."""
        return await self._ask("PTR", address, self._inner.ptr)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """The TLSA records of a name."""
        return await self._ask("TLSA", name, self._inner.tlsa)

    async def srv(self, name: str) -> Answer[Srv]:
        """The servers of a service."""
        return await self._ask("SRV", name, self._inner.srv)

    async def caa(self, name: str) -> Answer[tuple[str, str]]:
        """(tag, value) of the CAA records of a name."""
        return await self._ask("CAA", name, self._inner.caa)

    async def _ask(
        self, kind: str, name: str, ask: Callable[[str], Awaitable[Answer[T]]]
    ) -> Answer[T]:
        key = (kind, name.lower().removesuffix("."))
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock():
            if isinstance(kept[1], TryLater):
                raise TryLater(kept[1].message)
            return kept[1]
        asking = self._asking.get(key)
        if asking is None:
            # A task of its own: whoever asked first may go away, the others still wait.
            asking = asyncio.ensure_future(self._fetch(key, ask))
            self._asking[key] = asking
            asking.add_done_callback(lambda done: self._asked(key, done))
        return cast("Answer[T]", await asyncio.shield(asking))

    async def _fetch(
        self, key: tuple[str, str], ask: Callable[[str], Awaitable[Answer[T]]]
    ) -> Answer[T]:
        try:
            answer = await ask(key[1])
        except TryLater as error:
            # A new one: the other has a traceback, and with it all that was in hand.
            self._keep(key, self._clock() + FAILED, TryLater(error.message))
            raise
        self._keep(key, self._clock() + min(max(answer.ttl, SHORTEST), LONGEST), answer)
        return answer

    def _asked(self, key: tuple[str, str], done: asyncio.Future[Answer[Any]]) -> None:
        del self._asking[key]
        if not done.cancelled():
            # Nobody may be left who waits for it.
            done.exception()

    def _keep(self, key: tuple[str, str], until: float, what: Answer[Any] | TryLater) -> None:
        self._forget(key)
        self._kept[key] = (until, what)
        self.bytes += _weight(key, what)
        while len(self._kept) > self._size or self.bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.bytes -= _weight(key, kept[1])


def _weight(key: tuple[str, str], what: Answer[Any] | TryLater) -> int:
    """About how many bytes an answer takes, with its place in the table."""
    held = 500 + len(key[1])
    return held if isinstance(what, TryLater) else held + sum(map(_size_of, what.values))


def _size_of(value: Any) -> int:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.astuple(value)
    parts = value if isinstance(value, tuple) else (value,)
    return 100 + sum(map(sys.getsizeof, parts))

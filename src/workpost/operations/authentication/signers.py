"""Fetching the keys of signers, and where the arithmetic over a large message runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

import msgspec

from workpost.formats.mailauth.keys import BadKey, KeyRecord, WeakKey, parse_key
from workpost.integrations.dns.base import Resolver
from workpost.kernel.errors import TryLater

P = ParamSpec("P")
R = TypeVar("R")

INLINE_BYTES = 256 * 1024
"""Messages up to this size are worked on by the event loop (1 ms), larger ones in a thread."""
INLINE_HEADER = 32 * 1024
"""The same of headers: 8,000 fields of nothing take 2 ms, and so do fifteen ARC sets."""
AT_ONCE = 10
"""Keys of one message that are asked for at the same time."""


class NoKey(msgspec.Struct, frozen=True):
    """Why there is no key: `result` as in RFC 8601 2.7.1."""

    result: str
    reason: str


async def fetch_keys(resolver: Resolver, names: Iterable[str]) -> dict[str, KeyRecord | NoKey]:
    """The key records of names such as `selector._domainkey.example.test`, each asked once."""
    distinct = list(dict.fromkeys(names))
    if len(distinct) == 1:
        # As nearly always, and mostly known already: no tasks for that.
        return {distinct[0]: await fetch_key(resolver, distinct[0])}
    gate = asyncio.Semaphore(AT_ONCE)

    async def fetch(name: str) -> KeyRecord | NoKey:
        async with gate:
            return await fetch_key(resolver, name)

    return dict(zip(distinct, await asyncio.gather(*map(fetch, distinct)), strict=True))


async def fetch_key(resolver: Resolver, name: str) -> KeyRecord | NoKey:
    """One key record. Of several, none is taken: they come in no order (RFC 6376 3.6.2.2)."""
    try:
        texts = (await resolver.txt(name)).values
    except TryLater:
        return NoKey("temperror", "the DNS did not tell the key")
    # A wildcard record for something else may answer here, too.
    keys = [text for text in texts if "p=" in text] if len(texts) > 1 else texts
    if len(keys) != 1:
        return NoKey("permerror", "there are several keys" if keys else "there is no key")
    try:
        return parse_key(keys[0])
    except WeakKey as error:
        return NoKey("policy", str(error))
    except BadKey as error:
        return NoKey("permerror", str(error))


async def compute(raw: bytes, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a pure function over a message, in a thread if that takes long."""
    light = len(raw) <= INLINE_HEADER or raw.find(b"\r\n\r\n", 0, INLINE_HEADER) >= 0
    if light and len(raw) <= INLINE_BYTES:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)

"""Whether the DNS shows the DKIM keys of a mail domain, as those who receive its mail would see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from workpost.domain.organizations.dns_records import key_host
from workpost.formats.mailauth.keys import BadKey, decode, parse_key
from workpost.integrations.dns.base import Resolver
from workpost.store.tables.dkim_keys import DkimKeyRow


async def find_published(resolver: Resolver, name: str, keys: Iterable[DkimKeyRow]) -> list[str]:
    """The selectors of keys that receivers of mail from `name` (ASCII) find. Raises TryLater."""
    looked = list(keys)
    found = await asyncio.gather(*(_is_published(resolver, name, key) for key in looked))
    return [key.selector for key, shown in zip(looked, found, strict=True) if shown]


async def is_delegated(resolver: Resolver, name: str, key: DkimKeyRow, host: str) -> bool:
    """Whether the owner has done what is his: an alias of ours, or the key itself."""
    where = f"{key.selector}._domainkey.{name}"
    if key_host(key.selector, host).lower() in (await resolver.cname(where)).values:
        return True
    return await _is_published(resolver, name, key)


async def _is_published(resolver: Resolver, name: str, key: DkimKeyRow) -> bool:
    texts = (await resolver.txt(f"{key.selector}._domainkey.{name}")).values
    # Receivers take none of several (RFC 6376 3.6.2.2).
    return len(texts) == 1 and _is_key(texts[0], key)


def _is_key(text: str, key: DkimKeyRow) -> bool:
    try:
        record = parse_key(text)
    except BadKey:
        return False
    return record.kind == key.algorithm and record.public == decode(key.public)

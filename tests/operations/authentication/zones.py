"""The zones of RFC 7208's test data, asked by our resolver and by pyspf."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import spf

from workpost.integrations.dns.base import Answer
from workpost.integrations.dns.memory import TTL, MemoryResolver
from workpost.kernel.errors import TryLater


class ZoneResolver(MemoryResolver):
    """`silent` are names that give no answer for types that they have no records of."""

    def __init__(self, zone: dict[str, list[Any]]) -> None:
        super().__init__()
        self.silent: set[str] = set()
        for name, entries in zone.items():
            self._add(name.lower(), entries)

    def _add(self, name: str, entries: list[Any]) -> None:
        spf_texts, has_txt = [], False
        for entry in entries:
            if entry == "TIMEOUT":
                self.silent.add(name)
                continue
            ((kind, value),) = entry.items()
            text = "".join(value) if isinstance(value, list) and kind in {"TXT", "SPF"} else value
            if kind == "SPF":
                spf_texts.append(text)
                continue
            has_txt |= kind == "TXT"
            if text == "NONE":
                continue
            if kind == "MX":
                text = "{} {}".format(*value)
            elif kind == "AAAA":
                text = str(ipaddress.ip_address(value))
            self.records.setdefault((kind, name), []).append(str(text))
        if spf_texts and not has_txt:
            # Records of the abolished type stand for TXT (the data's own words).
            self.records[("TXT", name)] = spf_texts

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        found = self._follow("MX", name)
        pairs = [value.partition(" ") for value in found.values]
        return Answer([(int(number), host) for number, _, host in pairs], ttl=TTL)

    def _answer(self, kind: str, name: str) -> Answer[str]:
        plain = name.lower().removesuffix(".")
        if kind != "CNAME" and (kind, plain) not in self.records and plain in self.silent:
            raise TryLater(f"no answer for {plain}")
        return super()._answer(kind, name)


def pyspf_check(
    resolver: ZoneResolver, *, peer: str, helo: str, sender: str, generous: bool = False
) -> str:
    """What pyspf says of the same question and the same zone.

    `generous` lets it look up as many names without records as it likes.
    """

    def look_up(
        name: str, kind: str, strict: bool = True, timeout: Any = None, level: int = 0
    ) -> Iterator[Any]:
        plain = name.lower().removesuffix(".")
        values = resolver.records.get((kind, plain), [])
        if not values and plain in resolver.silent:
            raise spf.TempError("DNS timeout")
        for value in values:
            if kind == "AAAA":
                yield (plain, kind), ipaddress.ip_address(value).packed
            elif kind == "TXT":
                yield (plain, kind), (value.encode(),)
            elif kind == "MX":
                number, _, host = value.partition(" ")
                yield (plain, kind), (int(number), host)
            else:
                yield (plain, kind), value

    before = spf.DNSLookup, spf.MAX_VOID_LOOKUPS
    spf.DNSLookup = look_up
    if generous:
        spf.MAX_VOID_LOOKUPS = 1_000
    try:
        result: str = spf.query(i=peer, s=sender, h=helo).check()[0]
    finally:
        spf.DNSLookup, spf.MAX_VOID_LOOKUPS = before
    return result

"""A DNS of its own: knows what it was told, for tests and installations without an outside."""

from __future__ import annotations

from workpost.kernel.errors import TryLater


class MemoryResolver:
    """Answers from `records`: (type, name in lower case) to values as a zone file has them."""

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None) -> None:
        self.records = records if records is not None else {}
        self.broken = False
        """True: every question fails."""

    async def txt(self, name: str) -> list[str]:
        """The texts of a name; CNAMEs are followed."""
        for _ in range(8):
            target = await self.cname(name)
            if not target:
                break
            name = target
        return self._values("TXT", name)

    async def cname(self, name: str) -> str:
        """The name that this one is an alias of, or ""."""
        values = self._values("CNAME", name)
        return _plain(values[0]) if values else ""

    async def mx(self, name: str) -> list[tuple[int, str]]:
        """(preference, host) of a domain."""
        pairs = [value.split() for value in self._values("MX", name)]
        return sorted((int(preference), _plain(host)) for preference, host in pairs)

    def _values(self, kind: str, name: str) -> list[str]:
        if self.broken:
            raise TryLater("The DNS does not answer.")
        return list(self.records.get((kind, _plain(name)), ()))


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")

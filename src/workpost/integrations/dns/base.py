"""What Workpost asks of the DNS."""

from __future__ import annotations

from typing import Protocol


class Resolver(Protocol):
    """Looks records up. Names are ASCII, with or without the last dot; answers come without it.

    A name or type that does not exist is an empty answer. Every method raises TryLater where no
    server gives an answer in time, and for an answer that is an error.
    """

    async def txt(self, name: str) -> list[str]:
        """The texts of a name, each of one piece; CNAMEs are followed."""
        ...

    async def cname(self, name: str) -> str:
        """The name that this one is an alias of, in lower case, or ""."""
        ...

    async def mx(self, name: str) -> list[tuple[int, str]]:
        """(preference, host in lower case) of a domain, the most preferred first."""
        ...

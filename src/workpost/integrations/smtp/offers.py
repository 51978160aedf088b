"""What a server offers: its answer to EHLO (RFC 5321 4.1.1.1), pure."""

from __future__ import annotations

import re

import msgspec

from workpost.integrations.smtp.replies import Reply

_SIZE = re.compile(r"[0-9]{1,20}")


class Offer(msgspec.Struct, frozen=True):
    """The extensions of a server, as it offers them at this moment of the session."""

    keywords: dict[str, tuple[str, ...]] = {}
    """In upper case, with their parameters in upper case."""

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def size(self) -> int:
        """The largest message in octets, 0 where nothing is said (RFC 1870)."""
        parameters = self.keywords.get("SIZE", ())
        return int(parameters[0]) if parameters and _SIZE.fullmatch(parameters[0]) else 0

    @property
    def mechanisms(self) -> frozenset[str]:
        """What AUTH takes (RFC 4954)."""
        return frozenset(self.keywords.get("AUTH", ()))


NOTHING = Offer()
"""What a server offers that knows HELO only."""


def parse_offer(reply: Reply) -> Offer:
    """Read the answer to EHLO; never raises."""
    keywords: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        keyword, *parameters = line.upper().split(" ") if line else [""]
        if keyword.startswith("AUTH="):
            # What servers said before RFC 2554, and some still do beside the proper line.
            keyword, parameters = "AUTH", [keyword.removeprefix("AUTH="), *parameters]
        given = tuple(parameter for parameter in parameters if parameter)
        if keyword:
            keywords[keyword] = keywords.get(keyword, ()) + given
    return Offer(keywords)

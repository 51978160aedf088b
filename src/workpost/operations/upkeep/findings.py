"""What a check found."""

from __future__ import annotations

import msgspec

MOST = 1_000
"""Findings kept word for word; the others are counted by kind only."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    kind: str
    """`sums`, `summary`, `content`, `unsealing`, `stray`, `queue`, `address`, `key`."""
    place: str
    """Where: `mailbox 5, folder 6`, `content 0af3...`; never a name or an address of a person."""
    detail: str
    repaired: bool = False


class Report(msgspec.Struct):
    """The outcome of a check: what was looked at, and what was found."""

    mailboxes: int = 0
    items: int = 0
    contents: int = 0
    opened: int = 0
    """Messages whose summary and content were unsealed."""
    unsettled: list[int] = []
    """Mailboxes that changed so often that their sums could not be compared; not a finding."""
    found: dict[str, int] = {}
    """Findings by kind."""
    repaired: int = 0
    findings: list[Finding] = []

    def add(self, kind: str, place: str, detail: str, *, repaired: bool = False) -> None:
        """Count a finding, and keep it while there is room."""
        self.found[kind] = self.found.get(kind, 0) + 1
        self.repaired += repaired
        if len(self.findings) < MOST:
            self.findings.append(Finding(kind, place, detail, repaired))

    def merge(self, part: Report) -> None:
        """Take over what a part of the check has looked at and found."""
        self.items += part.items
        self.opened += part.opened
        self.unsettled += part.unsettled
        for kind, count in part.found.items():
            self.found[kind] = self.found.get(kind, 0) + count
        self.repaired += part.repaired
        self.findings += part.findings[: MOST - len(self.findings)]

    @property
    def clean(self) -> bool:
        """True when nothing was found."""
        return not self.found

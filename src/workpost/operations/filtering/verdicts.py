"""What filters say: verdicts by their names in events, and the rules that led to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

PASS = "PASS"
FAIL = "FAIL"
GRAY = "GRAY"
"""Undecided."""
PROCESSING_FAILED = "PROCESSING_FAILED"
"""The filter did not answer, or not in time."""

Hit = tuple[str, float]
"""The name of a rule that fits, and its points."""

LINE = 74
"""Columns of a field of ours, before it is folded."""


class Arrival(Protocol):
    """What is asked of the envelope of a message."""

    @property
    def sender(self) -> str:
        """The address of MAIL FROM, "" for the null sender."""
        ...

    @property
    def recipients(self) -> Sequence[str]:
        """The addresses of RCPT TO."""
        ...

    @property
    def helo(self) -> str:
        """What the client called itself."""
        ...

    @property
    def peer(self) -> str:
        """The client's IP address."""
        ...


class _Result(Protocol):
    @property
    def result(self) -> str: ...


class Authenticated(Protocol):
    """What is asked of the authentication of a message (`operations/authentication`)."""

    @property
    def spf(self) -> _Result:
        """One of the results of RFC 7208 2.6."""
        ...

    @property
    def dkim(self) -> Sequence[_Result]:
        """Of each signature, one of the results of RFC 8601 2.7.1."""
        ...

    @property
    def dmarc(self) -> _Result:
        """`pass`, `fail`, `none` or an error."""
        ...


class Scan(msgspec.Struct, frozen=True):
    """What the filters say of one message. A verdict that nobody was asked for is "".

    `spam` has a verdict for each organization, whose people may have taught different things, which
    is in `learned`; `score` and `reasons` hold for all of them. `fields` are to be put in front of
    the message. `name` is that of the virus.
    """

    virus: str = ""
    name: str = ""
    spam: Mapping[str, str] = {}
    score: float = 0.0
    reasons: tuple[Hit, ...] = ()
    learned: Mapping[str, Hit] = {}
    fields: bytes = b""

    @property
    def junked(self) -> frozenset[str]:
        """The organizations for which it is spam; their people do not forward it."""
        return frozenset(one for one, verdict in self.spam.items() if verdict == FAIL)

    def story(self, organization: str) -> dict[str, object]:
        """What an organization's event tells of it."""
        told: dict[str, object] = {}
        if self.virus:
            told["virusVerdict"] = self.virus
        if organization in self.spam:
            told["spamVerdict"] = self.spam[organization]
            if self.spam[organization] != PROCESSING_FAILED:
                hits = self.hits(organization)
                told["spamScore"] = round(sum(points for _, points in hits), 1)
                told["spamReasons"] = [name for name, _ in hits]
        return told

    def hits(self, organization: str) -> tuple[Hit, ...]:
        """The rules that fit for one organization."""
        learned = self.learned.get(organization)
        return self.reasons if learned is None else (*self.reasons, learned)


def write_field(score: float, limit: float, reasons: Sequence[Hit], virus: str) -> bytes:
    """The field that tells a reader why: score, rules with their points, virus verdict; CRLF."""
    words = [f"X-Workpost-Scan: score={score:.1f}/{limit:g}"]
    if virus:
        words.append(f"virus={virus}")
    words += [f"{name}={points:g}" for name, points in reasons]
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > LINE:
            lines.append(f"\t{word}")
        else:
            lines[-1] += f" {word}"
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def write_virus(verdict: str) -> bytes:
    """The field of a message without a score; nothing where nobody was to look for viruses."""
    return f"X-Workpost-Scan: virus={verdict}\r\n".encode("ascii") if verdict else b""

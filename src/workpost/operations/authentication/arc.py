"""Verifying the chain of ARC sets of a message (RFC 8617)."""

from __future__ import annotations

import msgspec

from workpost.integrations.dns.base import Resolver


class ArcResult(msgspec.Struct, frozen=True):
    """What a message's ARC chain says.

    `result` as `arc=` in RFC 8617 7.1: none, pass or fail, and temperror while the DNS is silent.
    `domains` are the d= of the seals, first sealer first, lower case with A-labels; `sealed` what
    each of them wrote in its ARC-Authentication-Results, from the authserv-id on, unfolded
    (`mx.example.test; spf=pass ...`). Both are empty unless the result is pass. `oldest_pass` is
    RFC 8617 5.2's: the lowest instance whose message signature still verifies together with all
    later ones (so that nobody changed the message since), 0 when none does.
    """

    result: str
    instances: int = 0
    domains: tuple[str, ...] = ()
    oldest_pass: int = 0
    sealed: tuple[bytes, ...] = ()
    reason: str = ""


async def verify_arc(resolver: Resolver, raw: bytes, now: int) -> ArcResult:
    """Verify a message's chain; `now` in ms since the epoch. Never raises for what it holds."""
    raise NotImplementedError

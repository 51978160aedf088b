"""Verifying the DKIM signatures of a message (RFC 6376, RFC 8301, RFC 8463, RFC 8616)."""

from __future__ import annotations

import msgspec

from workpost.integrations.dns.base import Resolver


class DkimResult(msgspec.Struct, frozen=True):
    """What became of one signature.

    `result` as in RFC 8601 2.7.1: pass, fail, policy (verified or not, we do not accept such a
    signature), neutral, temperror, permerror; a message without signatures has no result at all.
    `domain` is d= in lower case with A-labels, `identity` i= (with its default), `selector` s=,
    `algorithm` a=; each "" where the field did not tell it. `testing`: the key has t=y, so that the
    message is to be treated as if it were unsigned. `reason` is for people, plain ASCII.
    """

    result: str
    domain: str = ""
    identity: str = ""
    selector: str = ""
    algorithm: str = ""
    testing: bool = False
    reason: str = ""


async def verify_dkim(resolver: Resolver, raw: bytes, now: int) -> list[DkimResult]:
    """The results of the first ten signatures, from the top; `now` in ms since the epoch.

    Never raises for what a message or the DNS holds; a DNS that is silent is a temperror.
    """
    raise NotImplementedError

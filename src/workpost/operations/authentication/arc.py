"""Verifying the chain of ARC sets of a message (RFC 8617)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workpost.formats.mailauth.arc import FAIL, NONE, ArcSet, payload, read_chain, verify_chain
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import PASS
from workpost.formats.mailauth.keys import KeyRecord
from workpost.formats.mailauth.signature import BadSignature
from workpost.integrations.dns.base import Resolver
from workpost.operations.authentication.signers import NoKey, compute, fetch_keys

TEMPERROR = "temperror"


class ArcResult(msgspec.Struct, frozen=True):
    """What a message's ARC chain says.

    `result` as `arc=` in RFC 8617 7.1: none, pass or fail, and temperror while the DNS is silent.
    `domains` are the d= of the seals, first sealer first, lower case with A-labels; `sealed` what
    each of them wrote in its ARC-Authentication-Results, from the authserv-id on, unfolded
    (`mx.example.test; spf=pass ...`). Both are empty unless the result is pass. `oldest_pass` is
    RFC 8617 5.2's: the lowest instance whose message signature still verifies together with all
    later ones (so that nobody changed the message since), 0 when all of them do.
    """

    result: str
    instances: int = 0
    domains: tuple[str, ...] = ()
    oldest_pass: int = 0
    sealed: tuple[bytes, ...] = ()
    reason: str = ""


async def verify_arc(resolver: Resolver, raw: bytes, now: int) -> ArcResult:
    """Verify a message's chain; `now` in ms since the epoch. Never raises for what it holds."""
    try:
        fields, chain = await compute(raw, _read, raw)
    except BadSignature as error:
        return ArcResult(FAIL, reason=str(error))
    if not chain:
        return ArcResult(NONE)
    names = [name for each in chain for name in (each.message.key_name, each.seal.key_name)]
    keys = await fetch_keys(resolver, names)
    # Older message signatures are for information only: they fail without their keys.
    needed = [each.seal.key_name for each in chain] + [chain[-1].message.key_name]
    for name in needed:
        key = keys[name]
        if isinstance(key, NoKey):
            result = TEMPERROR if key.result == TEMPERROR else FAIL
            return ArcResult(result, len(chain), reason=f"{name}: {key.reason}")
    return await compute(raw, _judge, fields, chain, keys, now // 1000)


def _read(raw: bytes) -> tuple[Fields, list[ArcSet]]:
    fields = Fields(raw)
    if fields.too_large:
        raise BadSignature("the header is too large")
    return fields, read_chain(fields)


def _judge(
    fields: Fields, chain: Sequence[ArcSet], keys: Mapping[str, KeyRecord | NoKey], now: int
) -> ArcResult:
    records = {name: key for name, key in keys.items() if isinstance(key, KeyRecord)}
    found = verify_chain(fields, chain, records, now)
    if found.result != PASS:
        return ArcResult(found.result, len(chain), reason=found.reason)
    return ArcResult(
        PASS,
        len(chain),
        domains=tuple(each.seal.domain for each in chain),
        oldest_pass=found.oldest_pass,
        sealed=tuple(payload(fields, each) for each in chain),
    )

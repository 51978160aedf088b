"""Verifying the DKIM signatures of a message (RFC 6376, RFC 8301, RFC 8463, RFC 8616)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import FIELD, check_time, identity_of, read_dkim, verify
from workpost.formats.mailauth.keys import KeyRecord
from workpost.formats.mailauth.signature import BadSignature, Signature, read_name, read_tags
from workpost.formats.mailauth.tags import squeeze
from workpost.integrations.dns.base import Resolver
from workpost.operations.authentication.signers import NoKey, compute, fetch_keys

MOST_SIGNATURES = 10
"""Signatures of one message that are verified: each costs a question and an RSA operation."""


LONGEST_ALGORITHM = 32


class DkimResult(msgspec.Struct, frozen=True):
    """What became of one signature.

    `result` as in RFC 8601 2.7.1: pass, fail, policy (a signature that we do not accept, verified
    or not), temperror, permerror; a message without signatures has no result at all. `domain` is d=
    in lower case with A-labels, `identity` i= (with its default), `selector` s=, `algorithm` a=;
    each "" where the field did not tell it. `testing`: the key has t=y, so that the message is to
    be treated as if it were unsigned. `reason` is for people, plain ASCII.
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
    fields, read = await compute(raw, _read, raw, now // 1000)
    if fields.too_large:
        return [DkimResult("permerror", reason="the header is too large")]
    wanted = [each.key_name for each in read if isinstance(each, Signature)]
    keys = await fetch_keys(resolver, wanted)
    return await compute(raw, _judge_all, fields, read, keys)


def _read(raw: bytes, now: int) -> tuple[Fields, list[Signature | DkimResult]]:
    fields = Fields(raw)
    places = fields.places(FIELD)[:MOST_SIGNATURES]
    return fields, [_read_one(fields.fields[place], place, now) for place in places]


def _read_one(field: bytes, place: int, now: int) -> Signature | DkimResult:
    tags: dict[str, str] = {}
    try:
        tags = read_tags(field)
        signature = read_dkim(tags, place)
    except BadSignature as error:
        return _told(tags, "permerror", str(error))
    expired = check_time(signature, now)
    return _found(signature, "fail", expired) if expired else signature


def _found(signature: Signature, result: str, reason: str, *, testing: bool = False) -> DkimResult:
    """What became of a signature that could be read."""
    return DkimResult(
        result,
        domain=signature.domain,
        identity=identity_of(signature.tags),
        selector=signature.selector,
        algorithm=signature.algorithm,
        testing=testing,
        reason=reason,
    )


def _told(tags: Mapping[str, str], result: str, reason: str) -> DkimResult:
    """The same of one that could not."""
    domain = read_name(tags.get("d", ""))
    return DkimResult(
        result,
        domain=domain,
        identity=identity_of(tags) if tags.get("i") or domain else "",
        selector=read_name(tags.get("s", "")),
        algorithm=squeeze(tags.get("a", "")).lower()[:LONGEST_ALGORITHM],
        reason=reason,
    )


def _judge_all(
    fields: Fields,
    read: list[Signature | DkimResult],
    keys: Mapping[str, KeyRecord | NoKey],
) -> list[DkimResult]:
    return [
        _judge(fields, each, keys[each.key_name]) if isinstance(each, Signature) else each
        for each in read
    ]


def _judge(fields: Fields, signature: Signature, key: KeyRecord | NoKey) -> DkimResult:
    if isinstance(key, NoKey):
        return _found(signature, key.result, key.reason)
    result, reason = verify(fields, signature, key)
    return _found(signature, result, reason, testing=key.testing)

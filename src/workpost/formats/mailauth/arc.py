"""ARC sets (RFC 8617): reading a chain, verifying it under given keys, adding to it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from workpost.formats.mailauth.canonical import RELAXED, Fields, relax_field
from workpost.formats.mailauth.dkim import (
    PASS,
    Signer,
    check_time,
    check_value,
    names_to_sign,
    verify,
)
from workpost.formats.mailauth.keys import KeyRecord, sign_digest
from workpost.formats.mailauth.signature import (
    BadSignature,
    Signature,
    read_signature,
    read_tags,
    without_value,
)
from workpost.formats.mailauth.writing import finish_field, fold_names, signed_tags

RESULTS = b"arc-authentication-results"
MESSAGE = b"arc-message-signature"
SEAL = b"arc-seal"
MOST_SETS = 50
"""RFC 8617 4.2.1."""
NONE, FAIL = "none", "fail"
NO_KEY = "there is no key"

_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;[ \t\r\n]*")
_NUMBER = re.compile(r"[0-9]{1,2}\Z")


class ArcSet(msgspec.Struct, frozen=True):
    """One set: where its results are, its two signatures, what its seal says of those before."""

    results: int
    message: Signature
    seal: Signature
    validation: str


class Verified(msgspec.Struct, frozen=True):
    """What verification found: `result` pass or fail, RFC 8617 5.2's `oldest_pass`, the reason."""

    result: str
    oldest_pass: int = 0
    reason: str = ""


def read_chain(fields: Fields) -> list[ArcSet]:
    """The sets in order, none where a message has none. Raises BadSignature (RFC 8617 5.2, 1-3)."""
    places = [fields.places(name) for name in (RESULTS, MESSAGE, SEAL)]
    count = len(places[0])
    if not any(places):
        return []
    if count > MOST_SETS or any(len(each) != count for each in places):
        raise BadSignature("the sets are incomplete or too many")
    results, messages, seals = (
        {_instance(fields.fields[number], name): number for number in numbers}
        for name, numbers in zip((RESULTS, MESSAGE, SEAL), places, strict=True)
    )
    instances = range(1, count + 1)
    if any(set(each) != set(instances) for each in (results, messages, seals)):
        raise BadSignature("the instances are not numbered from 1")
    return [_read_set(fields, results[i], messages[i], seals[i], i) for i in instances]


def _instance(field: bytes, name: bytes) -> int:
    if name == RESULTS:
        found = _INSTANCE.match(field.partition(b":")[2])
        return int(found[1]) if found else 0
    text = read_tags(field).get("i", "")
    return int(text) if _NUMBER.match(text) else 0


def _read_set(fields: Fields, results: int, message: int, seal: int, instance: int) -> ArcSet:
    read = read_signature(read_tags(fields.fields[message]), message)
    if b"from" not in read.names or SEAL in read.names:
        raise BadSignature("a message signature leaves From out or has a seal in it")
    tags = read_tags(fields.fields[seal])
    if "h" in tags or "bh" in tags:
        raise BadSignature("a seal says what it signs")
    validation = tags.get("cv", "").lower()
    if validation != (NONE if instance == 1 else PASS):
        raise BadSignature("a sealer found the chain broken, or tells no truth of it")
    return ArcSet(results, read, read_signature(tags, seal, seal=True), validation)


def payload(fields: Fields, each: ArcSet) -> bytes:
    """What a sealer wrote in its results, from the authserv-id on, in one line."""
    value = fields.field(each.results, RELAXED).partition(b":")[2]
    return _INSTANCE.sub(b"", value, count=1)


def verify_chain(
    fields: Fields, chain: Sequence[ArcSet], keys: Mapping[str, KeyRecord], now: int
) -> Verified:
    """Verify a chain with at least one set; `now` in seconds since the epoch.

    `keys` are the records by `Signature.key_name`; a signature whose key is not there is not valid.
    """
    newest = _check_message(fields, chain[-1], keys, now)
    if newest:
        return Verified(FAIL, reason=f"instance {len(chain)}: {newest}")
    # Each seal signs the sets before it, too: what they hash to is kept instead of hashed again.
    before = sha256()
    for number, each in enumerate(chain, 1):
        before.update(fields.field(each.results, RELAXED) + b"\r\n")
        before.update(fields.field(each.message.place, RELAXED) + b"\r\n")
        own = before.copy()
        own.update(relax_field(without_value(fields.fields[each.seal.place])))
        record = keys.get(each.seal.key_name)
        failed = check_value(each.seal, record, own.digest()) if record else ("", NO_KEY)
        if failed is not None:
            return Verified(FAIL, reason=f"seal {number}: {failed[1]}")
        before.update(fields.field(each.seal.place, RELAXED) + b"\r\n")
    oldest = len(chain)
    while oldest > 1 and not _check_message(fields, chain[oldest - 2], keys, now):
        oldest -= 1
    return Verified(PASS, oldest_pass=0 if oldest == 1 else oldest)


def _check_message(fields: Fields, each: ArcSet, keys: Mapping[str, KeyRecord], now: int) -> str:
    problem = check_time(each.message, now)
    if problem:
        return problem
    record = keys.get(each.message.key_name)
    if record is None:
        return NO_KEY
    return verify(fields, each.message, record)[1]


def seal(fields: Fields, signer: Signer, results: bytes, validation: str, now: int) -> bytes:
    """The fields of one more set, with their CRLFs, to be put in front (RFC 8617 5.1).

    `results` is what follows `Authentication-Results:` and may be folded; `validation` says of the
    sets that are there that there are none, or that they pass. Raises BadSignature for a chain that
    cannot be continued.
    """
    earlier = read_chain(fields)
    if len(earlier) >= MOST_SETS or validation != (PASS if earlier else NONE):
        raise BadSignature("no set may be added to this chain")
    instance = len(earlier) + 1
    told = b"ARC-Authentication-Results: i=%d; %s\r\n" % (instance, results.strip())
    names = [*names_to_sign(fields), *[b"dkim-signature"] * len(fields.places(b"dkim-signature"))]
    head = (
        f"ARC-Message-Signature: i={instance}; a={signer.algorithm}; c=relaxed/relaxed;\r\n"
        f"\td={signer.domain};\r\n\ts={signer.selector}; t={now};\r\n"
    ).encode() + signed_tags(fold_names(names), fields.body_hash(RELAXED))
    digest = sha256(fields.choose(names, RELAXED) + relax_field(head)).digest()
    message = finish_field(head, sign_digest(signer.key, digest))
    head = (
        f"ARC-Seal: i={instance}; a={signer.algorithm}; cv={validation};\r\n"
        f"\td={signer.domain};\r\n\ts={signer.selector}; t={now};\r\n\tb="
    ).encode()
    parts = [
        fields.field(place, RELAXED)
        for each in earlier
        for place in (each.results, each.message.place, each.seal.place)
    ]
    parts += [relax_field(told[:-2]), relax_field(message[:-2]), relax_field(head)]
    digest = sha256(b"\r\n".join(parts)).digest()
    return finish_field(head, sign_digest(signer.key, digest)) + message + told

"""DKIM signatures (RFC 6376, RFC 8301, RFC 8463): reading, verifying, making. Pure.

Two choices where the RFC leaves room. A signature with l= that leaves a part of the body unsigned
proves nothing about what people read, and is not accepted. And what we sign is signed once more
than it is there (RFC 6376 8.15), so that nobody adds a second Subject to a message of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from workpost.formats.mailauth.canonical import RELAXED, Fields, relax_field
from workpost.formats.mailauth.keys import (
    ALGORITHMS,
    BadKey,
    KeyRecord,
    PrivateKey,
    WeakKey,
    is_signed,
    open_public,
    sign_digest,
)
from workpost.formats.mailauth.signature import (
    AHEAD_SECONDS,
    BadSignature,
    Signature,
    hashed_header,
    read_name,
    read_signature,
)
from workpost.formats.mailauth.tags import split_list, squeeze
from workpost.formats.mailauth.writing import finish_field, fold_names, signed_tags

FIELD = b"dkim-signature"
PASS, FAIL, POLICY, PERMERROR = "pass", "fail", "policy", "permerror"
UNSIGNED = "the signature did not verify"

# Signed once more than they are there, even those that are not there.
_SEALED = (b"from", b"reply-to", b"subject", b"to", b"cc")
# Signed once more than they are there, if they are.
_CLOSED = (
    b"date",
    b"message-id",
    b"sender",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# Signed as they are: others may add some.
_OPEN = (
    b"in-reply-to",
    b"references",
    b"content-id",
    b"content-description",
    b"resent-date",
    b"resent-from",
    b"resent-sender",
    b"resent-to",
    b"resent-cc",
    b"resent-message-id",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"auto-submitted",
    b"tls-required",
)
_MOST_OF_A_NAME = 16


class Signer(msgspec.Struct, frozen=True):
    """A key that signs; `algorithm` as in a=, `domain` with A-labels."""

    algorithm: str
    domain: str
    selector: str
    key: PrivateKey


def read_dkim(tags: dict[str, str], place: int) -> Signature:
    """A DKIM-Signature from its tags. Raises BadSignature."""
    if tags.get("v") != "1":
        raise BadSignature("the signature is of another version")
    _, at, host = identity_of(tags).rpartition("@")
    signature = read_signature(tags, place, agent=read_name(host) if at else "")
    if b"from" not in signature.names:
        raise BadSignature("From is not signed")
    if "q" in tags and "dns/txt" not in split_list(tags["q"].lower()):
        raise BadSignature("the key is not in the DNS")
    agent = signature.agent
    if agent != signature.domain and not agent.endswith(f".{signature.domain}"):
        raise BadSignature("i= is not of the domain d=")
    return signature


def identity_of(tags: Mapping[str, str]) -> str:
    """The agent or user on whose behalf was signed, `@` and d= if i= does not say (3.5)."""
    told = tags.get("i")
    return (squeeze(told) if told else "") or f"@{tags.get('d', '')}"


def check_time(signature: Signature, now: int) -> str:
    """Why the signature is not valid at `now` (seconds since the epoch), "" if it is."""
    if signature.expires is not None and signature.expires < now:
        return "the signature expired"
    if signature.stamp is not None and signature.stamp > now + AHEAD_SECONDS:
        return "the signature is of the future"
    return ""


def _check_key(signature: Signature, record: KeyRecord) -> str:
    if ALGORITHMS[signature.algorithm] != record.kind:
        return "the key is of another kind"
    if record.strict and signature.agent != signature.domain:
        return "the key is not for subdomains"
    return ""


def check_value(signature: Signature, record: KeyRecord, digest: bytes) -> tuple[str, str] | None:
    """Why b= is not the key's signature of a digest, as result and reason; None if it is."""
    problem = _check_key(signature, record)
    if problem:
        return PERMERROR, problem
    try:
        key = open_public(record.kind, record.public)
    except WeakKey as error:
        return POLICY, str(error)
    except BadKey as error:
        return PERMERROR, str(error)
    return None if is_signed(key, signature.value, digest) else (FAIL, UNSIGNED)


def verify(fields: Fields, signature: Signature, record: KeyRecord) -> tuple[str, str]:
    """The result (RFC 8601 2.7.1) of a signature under its key, and the reason."""
    failed = check_value(signature, record, sha256(hashed_header(fields, signature)).digest())
    if failed is not None:
        return failed
    if signature.length is not None:
        whole = len(fields.body(signature.body_form))
        if signature.length > whole:
            return FAIL, "the body is shorter than what was signed"
        if signature.length < whole:
            # Not hashed either: many lengths of a large body would cost many passes.
            return POLICY, "a part of the body is not signed"
    if fields.body_hash(signature.body_form) != signature.body_hash:
        return FAIL, "the body has changed"
    return PASS, ""


def names_to_sign(fields: Fields) -> list[bytes]:
    """The names for h= of a message of ours."""
    names: list[bytes] = []
    for group, more in ((_SEALED, 1), (_CLOSED, 1), (_OPEN, 0)):
        for name in group:
            count = min(len(fields.places(name)), _MOST_OF_A_NAME)
            if count or group is _SEALED:
                names += [name] * (count + more)
    return names


def sign(fields: Fields, signers: Sequence[Signer], now: int) -> bytes:
    """DKIM-Signature fields with their CRLFs, one of each signer; `now` in seconds.

    Relaxed forms of header and body: they survive what relays do to white space.
    """
    if not signers:
        return b""
    names = names_to_sign(fields)
    chosen = fields.choose(names, RELAXED)
    listed = fold_names(names)
    body_hash = fields.body_hash(RELAXED)
    made = []
    for signer in signers:
        head = (
            f"DKIM-Signature: v=1; a={signer.algorithm}; c=relaxed/relaxed;\r\n"
            f"\td={signer.domain};\r\n\ts={signer.selector}; t={now};\r\n"
        ).encode() + signed_tags(listed, body_hash)
        digest = sha256(chosen + relax_field(head)).digest()
        made.append(finish_field(head, sign_digest(signer.key, digest)))
    return b"".join(made)

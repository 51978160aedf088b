"""Verification of AWS Signature Version 4, in the header and in the query (presigned) form.

Pure: the caller brings the time, the secret and the cache. The order of checks is
`parse_authorization`, the key (the caller), `check_scope`, `check_clock`, `verify`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from workpost.protocols.signing.canonical import (
    EMPTY_HASH,
    canonical_request,
    string_to_sign,
)
from workpost.protocols.signing.messages import ApiRequest

TERMINATOR = "aws4_request"
SKEW_MS = 15 * 60 * 1000
DUMMY_SECRET = secrets.token_bytes(40)
"""Unknown access keys cost as much as known ones, and no request is signed with this."""

Headers = Mapping[bytes, list[bytes]]
Place = tuple[str, bytes, str, str, str]
"""Access key, hash of its secret, date, region, service."""


class SignatureRefused(Exception):
    """Base of all refusals; the message is for the caller and echoes nothing of the request."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AuthenticationMissing(SignatureRefused):
    """Neither an Authorization header nor a signature in the query."""


class AuthorizationIncomplete(SignatureRefused):
    """A part of the authorization is missing, malformed, doubled or of another algorithm."""


class ClientUnknown(SignatureRefused):
    """No such access key, an inactive one, or a session token that does not belong to it."""


class TokenExpired(SignatureRefused):
    """The temporary credentials are over."""


class SignatureInvalid(SignatureRefused):
    """Scope, clock, signed headers, payload hash or the signature itself do not fit."""


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """What a request claims about its signature, parsed and not yet verified."""

    access_key_id: str
    date: str
    """YYYYMMDD of the credential scope."""
    region: str
    service: str
    terminator: str
    signed_headers: tuple[bytes, ...]
    signature: str
    timestamp: str
    """YYYYMMDDTHHMMSSZ."""
    instant: int
    """The timestamp in milliseconds since the epoch."""
    expires: int = 0
    """Lifetime of a presigned request in seconds, 1..604800; 0 in the header form."""
    session_token: str | None = None

    @property
    def scope(self) -> str:
        """The credential scope as it is signed."""
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"

    @property
    def presigned(self) -> bool:
        """True for the query form."""
        return self.expires != 0


class SigningKeys:
    """Derived keys by access key, secret, date, region and service: four HMACs saved per call.

    A rotated secret has another place by itself: places hold its hash, so that nothing here lives
    longer than the day it signs. Holds at most `size` keys, drops the longest unused first, and all
    older ones when a later day is first seen.
    """

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._keys: dict[Place, bytes] = {}
        self._latest = ""

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, place: Place) -> bytes | None:
        """The key at this place, marked as used."""
        key = self._keys.pop(place, None)
        if key is not None:
            self._keys[place] = key
        return key

    def put(self, place: Place, key: bytes) -> None:
        """Remember a key whose signature has been verified."""
        date = place[2]
        if date > self._latest:
            self._latest = date
            self._keys.clear()
        self._keys[place] = key
        while len(self._keys) > self._size:
            del self._keys[next(iter(self._keys))]


def derive_key(secret: bytes, date: str, region: str, service: str) -> bytes:
    """The signing key of a secret for one day, region and service."""
    key = hmac.digest(b"AWS4" + secret, date.encode(), "sha256")
    key = hmac.digest(key, region.encode(), "sha256")
    key = hmac.digest(key, service.encode(), "sha256")
    return hmac.digest(key, TERMINATOR.encode(), "sha256")


def format_timestamp(seconds: int) -> str:
    """Seconds since the epoch as YYYYMMDDTHHMMSSZ."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def check_scope(auth: Authorization, *, service: str, region: str | None) -> None:
    """Raise SignatureInvalid unless the scope names this service, region and the signing day.

    `region` None accepts any.
    """
    if auth.terminator != TERMINATOR:
        fault = f"with a valid terminator: '{TERMINATOR}'."
    elif auth.service != service:
        fault = f"to correct service: '{service}'."
    elif region is not None and auth.region != region:
        fault = f"to a valid region: '{region}'."
    elif auth.date != auth.timestamp[:8]:
        raise SignatureInvalid("Date in Credential scope does not match the date of the request.")
    else:
        return
    raise SignatureInvalid(f"Credential should be scoped {fault}")


def check_clock(auth: Authorization, now: int) -> None:
    """Raise SignatureInvalid outside of 15 minutes around `now` (milliseconds since the epoch).

    A presigned request lives from its date (same tolerance) to the end of its lifetime.
    """
    allowed = auth.expires * 1000 if auth.presigned else SKEW_MS
    if now - auth.instant > allowed:
        edge = format_timestamp((now - allowed) // 1000)
        span = f"{auth.expires} sec." if auth.presigned else "15 min."
        raise SignatureInvalid(
            f"Signature expired: {auth.timestamp} is now earlier than {edge} "
            f"({format_timestamp(now // 1000)} - {span})"
        )
    if auth.instant - now > SKEW_MS:
        edge = format_timestamp((now + SKEW_MS) // 1000)
        raise SignatureInvalid(
            f"Signature not yet current: {auth.timestamp} is still later than {edge} "
            f"({format_timestamp(now // 1000)} + 15 min.)"
        )


def payload_hash(body: bytes, headers: Headers) -> bytes:
    """The hash that enters the canonical request.

    Raises SignatureInvalid for a declared hash that is not the body's: unsigned and streaming
    payloads belong to S3.
    """
    actual = (hashlib.sha256(body).hexdigest() if body else EMPTY_HASH).encode("ascii")
    declared = headers.get(b"x-amz-content-sha256")
    if declared is not None and declared != [actual]:
        raise SignatureInvalid("The header x-amz-content-sha256 is not the hash of the body.")
    return actual


def verify(
    auth: Authorization,
    request: ApiRequest,
    headers: Headers,
    secret: bytes,
    keys: SigningKeys,
) -> None:
    """Recompute the signature and compare in constant time; raises SignatureInvalid.

    `host` must be signed, and `x-amz-target` when present: else someone in the middle could turn
    one operation into another.
    """
    signed = auth.signed_headers
    if b"host" not in signed:
        raise SignatureInvalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if b"x-amz-target" in headers and b"x-amz-target" not in signed:
        raise SignatureInvalid("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.")
    verify_hashed(auth, request, headers, secret, keys, payload_hash(request.body, headers))


def verify_hashed(
    auth: Authorization,
    request: ApiRequest,
    headers: Headers,
    secret: bytes,
    keys: SigningKeys,
    digest: bytes,
    *,
    verbatim: bool = False,
) -> bytes:
    """`verify` with the payload's hash, or what stands for it, as given; returns the signing key.

    `verbatim` is for S3, whose paths are signed as they are. Raises SignatureInvalid.
    """
    try:
        canonical = canonical_request(
            request.method,
            request.path,
            request.query,
            headers,
            signed=auth.signed_headers,
            payload_hash=digest,
            presigned=auth.presigned,
            verbatim=verbatim,
        )
    except KeyError:
        raise SignatureInvalid("A header named in SignedHeaders is not in the request.") from None
    version = hashlib.sha256(secret).digest()
    place = (auth.access_key_id, version, auth.date, auth.region, auth.service)
    known = keys.get(place)
    key = known or derive_key(secret, auth.date, auth.region, auth.service)
    expected = hmac.digest(key, string_to_sign(auth.timestamp, auth.scope, canonical), "sha256")
    if not hmac.compare_digest(expected.hex(), auth.signature):
        raise SignatureInvalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    if known is None:
        keys.put(place, key)
    return key


def check_session(claimed: str | None, expected: str | None) -> None:
    """Raise ClientUnknown unless the session token is the key's own, or absent for lasting keys."""
    same = hmac.compare_digest((claimed or "").encode(), (expected or "").encode())
    if not same or (claimed is None) != (expected is None):
        raise ClientUnknown("The security token included in the request is invalid.")

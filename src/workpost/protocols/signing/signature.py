"""Verification of AWS Signature Version 4, in the header and in the query (presigned) form.

Pure: the caller brings the time, the secret and the cache. The order of checks is `parse`, then
the key (the caller), `check_scope`, `check_clock`, `verify`.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from workpost.protocols.signing.canonical import (
    EMPTY_HASH,
    canonical_request,
    split_query,
    string_to_sign,
)
from workpost.protocols.signing.messages import ApiRequest

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SKEW_MS = 15 * 60 * 1000
MAX_EXPIRES = 604_800
DUMMY_SECRET = secrets.token_bytes(40)
"""Unknown access keys cost as much as known ones, and no request is signed with this."""

_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_EXPIRES = re.compile(r"[0-9]{1,6}")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9]{1,128}")
_HEADER_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")

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


def parse_authorization(request: ApiRequest, headers: Headers) -> Authorization:
    """Read the claims of a request.

    Raises AuthenticationMissing, AuthorizationIncomplete, or SignatureInvalid for a list of signed
    headers that is not lower-case, sorted and unique.
    """
    values = headers.get(b"authorization")
    in_query = b"X-Amz-" in request.query
    if values is None:
        if not in_query:
            raise AuthenticationMissing("Missing Authentication Token")
        return _parse_query(request)
    if len(values) > 1 or (in_query and b"X-Amz-Signature=" in request.query):
        raise AuthorizationIncomplete("The request carries more than one authorization.")
    return _parse_header(values[0], headers)


def _parse_header(value: bytes, headers: Headers) -> Authorization:
    try:
        algorithm, _, rest = value.decode("ascii").strip().partition(" ")
    except UnicodeDecodeError:
        raise AuthorizationIncomplete("The Authorization header is not ASCII.") from None
    if algorithm != ALGORITHM:
        raise AuthorizationIncomplete(f"The algorithm must be '{ALGORITHM}'.")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, _, text = part.strip().partition("=")
        if name in parts:
            raise AuthorizationIncomplete("The Authorization header names a parameter twice.")
        parts[name] = text
    dates = headers.get(b"x-amz-date") or headers.get(b"date")
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "SignedHeaders", "Signature")
        if not parts.get(name)
    ]
    if not dates:
        missing.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if missing or dates is None:
        raise AuthorizationIncomplete(" ".join(missing))
    timestamp, instant = _instant(dates)
    tokens = headers.get(b"x-amz-security-token")
    if tokens is not None and len(tokens) > 1:
        raise AuthorizationIncomplete("The request carries more than one security token.")
    return _assemble(
        parts["Credential"],
        parts["SignedHeaders"],
        parts["Signature"],
        timestamp=timestamp,
        instant=instant,
        session_token=None if tokens is None else tokens[0].decode("latin-1"),
    )


def _parse_query(request: ApiRequest) -> Authorization:
    parts: dict[str, str] = {}
    for name, value in split_query(request.query):
        if name.startswith(b"X-Amz-"):
            key = name.decode("latin-1")
            if key in parts:
                raise AuthorizationIncomplete("The query names an AWS parameter twice.")
            parts[key] = value.decode("latin-1")
    missing = [
        f"AWS query-string parameters must include '{name}'."
        for name in (
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-SignedHeaders",
            "X-Amz-Date",
            "X-Amz-Expires",
        )
        if not parts.get(name)
    ]
    if missing:
        raise AuthorizationIncomplete(" ".join(missing))
    if parts["X-Amz-Algorithm"] != ALGORITHM:
        raise AuthorizationIncomplete(f"The algorithm must be '{ALGORITHM}'.")
    expires = parts["X-Amz-Expires"]
    if _EXPIRES.fullmatch(expires) is None or not 1 <= int(expires) <= MAX_EXPIRES:
        raise AuthorizationIncomplete(f"X-Amz-Expires must be between 1 and {MAX_EXPIRES} seconds.")
    timestamp, instant = _instant([parts["X-Amz-Date"].encode("latin-1")])
    return _assemble(
        parts["X-Amz-Credential"],
        parts["X-Amz-SignedHeaders"],
        parts["X-Amz-Signature"],
        timestamp=timestamp,
        instant=instant,
        expires=int(expires),
        session_token=parts.get("X-Amz-Security-Token"),
    )


def _assemble(
    credential: str,
    names: str,
    signature: str,
    *,
    timestamp: str,
    instant: int,
    expires: int = 0,
    session_token: str | None,
) -> Authorization:
    parts = credential.split("/")
    if len(parts) != 5 or not all(parts) or not credential.isascii():
        raise AuthorizationIncomplete(
            "Credential must have five parts: <access key>/<date>/<region>/<service>/aws4_request."
        )
    if _ACCESS_KEY.fullmatch(parts[0]) is None:
        raise AuthorizationIncomplete("The access key of the credential is malformed.")
    if _SIGNATURE.fullmatch(signature) is None:
        raise AuthorizationIncomplete("Signature must be 64 lower-case hexadecimal digits.")
    signed = tuple(names.encode("latin-1", "replace").split(b";"))
    if list(signed) != sorted(set(signed)) or not all(map(_HEADER_NAME.fullmatch, signed)):
        raise SignatureInvalid("SignedHeaders must be lower-case, sorted and unique header names.")
    return Authorization(
        access_key_id=parts[0],
        date=parts[1],
        region=parts[2],
        service=parts[3],
        terminator=parts[4],
        signed_headers=signed,
        signature=signature,
        timestamp=timestamp,
        instant=instant,
        expires=expires,
        session_token=session_token,
    )


def _instant(values: list[bytes]) -> tuple[str, int]:
    text = values[0].decode("latin-1").strip()
    if len(values) == 1:
        try:
            if _TIMESTAMP.fullmatch(text) is not None:
                moment = datetime(
                    int(text[:4]),
                    int(text[4:6]),
                    int(text[6:8]),
                    int(text[9:11]),
                    int(text[11:13]),
                    int(text[13:15]),
                    tzinfo=UTC,
                )
                return text, calendar.timegm(moment.timetuple()) * 1000
            moment = parsedate_to_datetime(text)
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC)
                seconds = calendar.timegm(moment.timetuple())
                return format_timestamp(seconds), seconds * 1000
        except (ValueError, OverflowError):
            pass
    raise AuthorizationIncomplete("Date must be one header in ISO-8601 'basic format' or RFC 1123.")


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

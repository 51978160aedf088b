"""ID tokens: what must hold of one before anything in it is believed (OpenID Connect Core 3.1.3.7).

Pure. The signature is joserfc's business, the choice of key and algorithm is ours: only algorithms
of the list below, never one that the token alone decides, and never a symmetric one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec
from joserfc import jwk, jws
from joserfc.errors import JoseError

from workpost.kernel.errors import AuthenticationFailed

ALGORITHMS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "EC",
    "ES384": "EC",
    "ES512": "EC",
}
"""The type of key by algorithm (RFC 7518 3.1)."""
MAX_TOKEN = 32 * 1024
MAX_SUBJECT = 255
MIN_RSA_BITS = 2048
LEEWAY_SECONDS = 60
MAX_AGE_SECONDS = 600

VerifyingKey = jwk.RSAKey | jwk.ECKey


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: Any = None
    b64: Any = None


class Claims(msgspec.Struct, frozen=True):
    """The claims that are checked, and all others."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    nonce: str
    azp: str | None = None
    nbf: int | float | None = None
    every: dict[str, Any] = {}

    def text(self, name: str) -> str:
        """A claim that is a text, "" when it is not there."""
        value = self.every.get(name)
        return value if isinstance(value, str) else ""


class UnknownKey(Exception):
    """None of the provider's known keys is meant: they may have been rotated."""


_header = msgspec.json.Decoder(_Header)
_claims = msgspec.json.Decoder(Claims)
_every = msgspec.json.Decoder(dict[str, Any])


def refuse(why: str) -> AuthenticationFailed:
    """The refusal of a token; what it says holds nothing of the token."""
    return AuthenticationFailed(f"The identity provider's answer cannot be trusted: {why}.")


def read_keys(document: bytes) -> list[VerifyingKey]:
    """The keys of a JWK set (RFC 7517) that can verify ID tokens; others are left out.

    Raises ValueError for what is no set.
    """
    entries = _every.decode(document).get("keys")
    if not isinstance(entries, list):
        raise ValueError("a JWK set has keys")
    return [key for entry in entries if (key := _read_key(entry)) is not None]


def _read_key(entry: Any) -> VerifyingKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in entry.items() if name in _PUBLIC}
    try:
        key = jwk.import_key(public)
        if isinstance(key, jwk.RSAKey):
            return key if key.raw_value.key_size >= MIN_RSA_BITS else None
        return key if isinstance(key, jwk.ECKey) else None
    except (JoseError, ValueError, TypeError, AttributeError):
        return None


_PUBLIC = frozenset({"kty", "kid", "alg", "n", "e", "crv", "x", "y"})


def verify_id_token(
    token: str,
    keys: Sequence[VerifyingKey],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: float,
) -> Claims:
    """The claims of an ID token that this issuer made for us, for this sign-in, just now.

    `now` in seconds since the epoch. Raises AuthenticationFailed, and UnknownKey when the token
    names a key that is not among `keys`.
    """
    header, payload = _split(token)
    key_type = ALGORITHMS.get(header.alg)
    if key_type is None:
        raise refuse("its algorithm is not accepted")
    if header.crit is not None or header.b64 is not None:
        raise refuse("it needs extensions")
    if not any(_is_signed_by(token, key, header.alg) for key in _meant(header, key_type, keys)):
        raise refuse("its signature is wrong")
    claims = _read_claims(payload)
    _check(claims, issuer=issuer, client_id=client_id, nonce=nonce, now=now)
    return claims


def _split(token: str) -> tuple[_Header, bytes]:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise refuse("it is not a token")
    try:
        header, payload, _ = (_decode(part) for part in token.split("."))
        return _header.decode(header), payload
    except (ValueError, binascii.Error):
        raise refuse("it is not a token") from None


def _decode(part: str) -> bytes:
    """Strict base64url without padding: one text for one value (RFC 7515 2)."""
    data = base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise ValueError("not the canonical form")
    return data


def _meant(header: _Header, key_type: str, keys: Sequence[VerifyingKey]) -> Sequence[VerifyingKey]:
    """The keys that a header can mean. Raises UnknownKey when there is none."""
    found = [
        key
        for key in keys
        if key.key_type == key_type
        and key.alg in (None, header.alg)
        and header.kid in (None, key.kid)
    ]
    if not found:
        raise UnknownKey
    return found


def _is_signed_by(token: str, key: VerifyingKey, algorithm: str) -> bool:
    try:
        jws.deserialize_compact(token, key, algorithms=[algorithm])
    except (JoseError, ValueError):
        return False
    return True


def _read_claims(payload: bytes) -> Claims:
    try:
        every = _every.decode(payload)
        return msgspec.structs.replace(_claims.decode(payload), every=every)
    except msgspec.MsgspecError:
        raise refuse("its claims are not complete") from None


def _check(claims: Claims, *, issuer: str, client_id: str, nonce: str, now: float) -> None:
    audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer:
        raise refuse("another issuer made it")
    if client_id not in audience or claims.azp not in (None, client_id):
        raise refuse("it is meant for somebody else")
    if len(audience) > 1 and claims.azp is None:
        raise refuse("it is meant for several and does not say for whom")
    if not now - LEEWAY_SECONDS < claims.exp:
        raise refuse("it has expired")
    if not now - MAX_AGE_SECONDS < claims.iat < now + LEEWAY_SECONDS:
        raise refuse("it was not made just now")
    if claims.nbf is not None and not claims.nbf < now + LEEWAY_SECONDS:
        raise refuse("it is not valid yet")
    if not hmac.compare_digest(claims.nonce.encode(), nonce.encode()):
        raise refuse("it belongs to another sign-in")
    if not 0 < len(claims.sub) <= MAX_SUBJECT:
        raise refuse("it names nobody")

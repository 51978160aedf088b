"""A request to the S3 door, taken apart and proven to be a function's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from workpost.domain.access.credentials import Credential
from workpost.domain.access.sessions import find_credential
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.wire import chunked
from workpost.protocols.signing import signature
from workpost.protocols.signing.authorization import parse_authorization
from workpost.protocols.signing.canonical import split_query
from workpost.protocols.signing.messages import ApiRequest
from workpost.store.core import Core

SERVICE = "s3"
UNSIGNED = "UNSIGNED-PAYLOAD"
MAX_KEY = 1024
"""Bytes."""
SIGNING = b"X-Amz-"
"""What parameters of a presigned request begin with."""
OWNER = "x-amz-expected-bucket-owner"
SOURCE_OWNER = "x-amz-source-expected-bucket-owner"
Headers = Mapping[bytes, list[bytes]]


class Asked(NamedTuple):
    """What a request is about."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: Headers

    def header(self, name: str) -> str:
        """A field's value, "" when it is not there."""
        return self.headers.get(name.encode(), [b""])[0].decode("latin-1").strip()

    def headers_named(self, prefix: str) -> dict[str, str]:
        """The fields whose names begin so."""
        names = (each.decode("latin-1") for each in self.headers)
        return {name: self.header(name) for name in names if name.startswith(prefix)}


def read(request: ApiRequest, headers: Headers) -> Asked:
    """Take a request apart. Raises S3Error."""
    try:
        path = unquote_to_bytes(request.path).decode()
        query = {
            n.decode(): v.decode()
            for n, v in split_query(request.query)
            if not n.startswith(SIGNING)
        }
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI.") from None
    bucket, _, key = path.removeprefix("/").partition("/")
    if len(key.encode()) > MAX_KEY:
        raise S3Error("KeyTooLongError", "Your key is too long.")
    return Asked(request.method.decode("latin-1"), bucket, key, query, headers)


class Proven(NamedTuple):
    """A caller, and how the body that follows is to be checked."""

    caller: Credential
    hashed: str
    """What the request says of its payload: a hash, or how it is sent."""
    seal: chunked.Seal


async def prove(
    core: Core, request: ApiRequest, headers: Headers, keys: signature.SigningKeys
) -> Proven:
    """Check the signature of a request's head; only sessions of functions are let in.

    Raises S3Error, SignatureRefused, TryLater.
    """
    now = core.env.now()
    claims = parse_authorization(request, headers)
    caller = await find_credential(core, claims.access_key_id, claims.session_token)
    secret = caller.secret if caller is not None else signature.DUMMY_SECRET
    hashed = UNSIGNED if claims.presigned else _declared(headers)
    signature.check_scope(claims, service=SERVICE, region=None)
    signature.check_clock(claims, now)
    key = b""
    try:
        if b"host" not in claims.signed_headers:
            raise signature.SignatureInvalid("The header host must be signed.")
        if any(each.startswith(b"x-amz-") for each in headers.keys() - set(claims.signed_headers)):
            # Whoever is given a presigned URL could make a copy of a write.
            raise S3Error(
                "AccessDenied", "There were headers present in the request which were not signed"
            )
        key = signature.verify_hashed(
            claims, request, headers, secret, keys, hashed.encode("latin-1"), verbatim=True
        )
    except signature.SignatureInvalid:
        if caller is not None:
            raise
    if caller is None or not caller.active:
        raise S3Error(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
    signature.check_session(claims.session_token, caller.session_token)
    if caller.expires is not None and caller.expires <= now:
        raise signature.TokenExpired("The provided token has expired.")
    if not caller.function:
        raise S3Error("AccessDenied", "Buckets are open to functions that run here only.")
    for name in (OWNER, SOURCE_OWNER):
        if headers.get(name.encode(), [caller.account.encode()]) != [caller.account.encode()]:
            raise S3Error("AccessDenied", "Access Denied")
    seal = chunked.Seal(key, claims.timestamp, claims.scope, claims.signature)
    return Proven(caller, hashed, seal)


def _declared(headers: Headers) -> str:
    values = headers.get(b"x-amz-content-sha256", [])
    if len(values) != 1:
        raise S3Error("InvalidRequest", "x-amz-content-sha256 is missing or there twice.")
    return values[0].decode("latin-1")

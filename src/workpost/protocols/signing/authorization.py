"""What a request claims of its signature: the Authorization header, or the query (presigned)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from workpost.protocols.signing.canonical import split_query
from workpost.protocols.signing.messages import ApiRequest
from workpost.protocols.signing.signature import (
    AuthenticationMissing,
    Authorization,
    AuthorizationIncomplete,
    Headers,
    SignatureInvalid,
    format_timestamp,
)

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_EXPIRES = 604_800

_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_EXPIRES = re.compile(r"[0-9]{1,6}")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9]{1,128}")
_HEADER_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")


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

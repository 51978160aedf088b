"""Errors as S3 names them (error responses of the S3 API reference)."""

from __future__ import annotations

from workpost.integrations.s3.depot import (
    BucketFull,
    ConditionFailed,
    Gone,
    NoObject,
    PartsRefused,
    Refused,
    TooLarge,
)
from workpost.kernel.errors import TryLater
from workpost.protocols.signing import signature

# S3 knows no quotas: QuotaExceeded is what Ceph's gateway, which has them, tells.
STATUSES = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "BadDigest": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "ExpiredToken": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedTrailerError": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "QuotaExceeded": 403,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """What the caller is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """Of HTTP."""
        return STATUSES[self.code]


_REFUSALS = {
    signature.AuthenticationMissing: "AccessDenied",
    signature.AuthorizationIncomplete: "AuthorizationHeaderMalformed",
    signature.ClientUnknown: "InvalidAccessKeyId",
    signature.TokenExpired: "ExpiredToken",
    signature.SignatureInvalid: "SignatureDoesNotMatch",
}


_DEPOTS = {
    NoObject: ("NoSuchKey", "The specified key does not exist."),
    Gone: (
        "NoSuchUpload",
        "The specified multipart upload does not exist. It may have been aborted or completed.",
    ),
    BucketFull: ("QuotaExceeded", ""),
    ConditionFailed: (
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    ),
    TooLarge: ("EntityTooLarge", ""),
}
"""What the refusals of buckets are called, and what is said of them if not their own words."""


def translate(error: Exception) -> S3Error:
    """The error that an exception is told as; InternalError for what nobody foresaw."""
    if isinstance(error, S3Error):
        return error
    if isinstance(error, signature.SignatureRefused):
        return S3Error(_REFUSALS[type(error)], error.message)
    if isinstance(error, PartsRefused):
        return S3Error(error.code, error.message)
    if isinstance(error, Refused):
        code, message = _DEPOTS.get(type(error), ("AccessDenied", ""))
        return S3Error(code, message or error.message)
    if isinstance(error, TryLater):
        return S3Error("ServiceUnavailable", "Please reduce your request rate.")
    return S3Error("InternalError", "We encountered an internal error. Please try again.")

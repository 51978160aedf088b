"""The one table from errors to AWS errors, and the frame they travel in.

Sources: the error lists of the service model; the common errors of the API reference; for errors
of the front end the names that JSON services send in practice.
"""

from __future__ import annotations

import orjson

from workpost.kernel import errors as domain
from workpost.protocols.api.model import Operation
from workpost.protocols.api.wire.body import MalformedBody
from workpost.protocols.signing import signature

CODES: dict[type[domain.WorkpostError], str] = {
    domain.EntityNotFound: "EntityNotFoundException",
    domain.EntityStateInvalid: "EntityStateException",
    domain.EntityAlreadyRegistered: "EntityAlreadyRegisteredException",
    domain.EmailAddressInUse: "EmailAddressInUseException",
    domain.NameUnavailable: "NameAvailabilityException",
    domain.NameReserved: "ReservedNameException",
    domain.PasswordUnacceptable: "InvalidPasswordException",
    domain.MailDomainNotFound: "MailDomainNotFoundException",
    domain.MailDomainInUse: "MailDomainInUseException",
    domain.MailDomainStateInvalid: "MailDomainStateException",
    domain.OrganizationNotFound: "OrganizationNotFoundException",
    domain.OrganizationStateInvalid: "OrganizationStateException",
    domain.DirectoryInUse: "DirectoryInUseException",
    domain.DirectoryUnavailable: "DirectoryUnavailableException",
    domain.DirectoryAuthenticationFailed: "DirectoryServiceAuthenticationFailedException",
    domain.ResourceNotFound: "ResourceNotFoundException",
    domain.InvalidConfiguration: "InvalidConfigurationException",
    domain.TooManyTags: "TooManyTagsException",
    domain.LimitExceeded: "LimitExceededException",
    domain.InvalidParameter: "InvalidParameterException",
    domain.Unsupported: "UnsupportedOperationException",
    domain.AccessDenied: "AccessDeniedException",
    domain.AuthenticationFailed: "UnrecognizedClientException",
    domain.StaleGrant: "ServiceUnavailableException",
    domain.MailboxNotFound: "EntityNotFoundException",
    domain.FolderNotFound: "ResourceNotFoundException",
    domain.FolderExists: "NameAvailabilityException",
    domain.FolderProtected: "InvalidParameterException",
    domain.FolderHasChildren: "InvalidParameterException",
    domain.QuotaExceeded: "LimitExceededException",
    domain.MessageTooLarge: "InvalidParameterException",
    domain.MessageRefused: "InvalidParameterException",
    domain.UnknownRecipient: "EntityNotFoundException",
    domain.SenderNotAllowed: "AccessDeniedException",
    domain.MailLoop: "InvalidParameterException",
    domain.TooManyRecipients: "InvalidParameterException",
    domain.ScriptNotFound: "ResourceNotFoundException",
    domain.ScriptExists: "NameAvailabilityException",
    domain.ScriptActive: "EntityStateException",
    domain.ScriptInvalid: "InvalidParameterException",
    domain.ScriptTooLarge: "LimitExceededException",
    domain.ContentRejected: "MessageRejected",
    domain.ContentUnreachable: "InvalidContentLocation",
    domain.KeyDestroyed: "EntityNotFoundException",
    domain.TryLater: "ServiceUnavailableException",
    domain.Conflict: "ServiceUnavailableException",
    domain.Fault: "InternalFailure",
}

SIGNATURE_CODES: dict[type[signature.SignatureRefused], str] = {
    signature.AuthenticationMissing: "MissingAuthenticationTokenException",
    signature.AuthorizationIncomplete: "IncompleteSignatureException",
    signature.ClientUnknown: "UnrecognizedClientException",
    signature.TokenExpired: "ExpiredTokenException",
    signature.SignatureInvalid: "InvalidSignatureException",
}

STATUSES: dict[str, tuple[int, int]] = {
    "MissingAuthenticationTokenException": (400, 403),
    "IncompleteSignatureException": (400, 403),
    "UnrecognizedClientException": (400, 403),
    "ExpiredTokenException": (400, 403),
    "InvalidSignatureException": (400, 403),
    "AccessDeniedException": (400, 403),
    "RequestEntityTooLarge": (413, 413),
    "RequestTimeoutException": (408, 408),
    "InternalFailure": (500, 500),
    "ServiceUnavailableException": (503, 503),
}
"""HTTP status in the JSON and in the REST protocol; the rest is 400 unless the model says."""

OPAQUE = {
    "InternalFailure": "The request failed because of an internal error.",
    "ServiceUnavailableException": "The server cannot answer at the moment. Try again later.",
}
"""Texts that replace what only the log may say."""


class ApiError(Exception):
    """An error as a client sees it."""

    def __init__(self, code: str, message: str = "", *, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = OPAQUE.get(code, message)
        self._status = status

    @property
    def own_status(self) -> int | None:
        """The HTTP status that this error was raised with, whatever the protocol."""
        return self._status

    def status(self, *, rest: bool, operation: Operation | None) -> int:
        """The HTTP status in this protocol; declared errors have the model's."""
        if self._status is not None:
            return self._status
        if operation is not None and self.code in operation.errors:
            return operation.errors[self.code]
        return STATUSES.get(self.code, (400, 400))[rest]


def translate(error: Exception) -> ApiError:
    """The client's view of anything that was raised; what the tables do not know is a fault."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, signature.SignatureRefused):
        return ApiError(SIGNATURE_CODES[type(error)], error.message)
    if isinstance(error, MalformedBody):
        return ApiError("SerializationException", error.message)
    if isinstance(error, domain.WorkpostError):
        for cls in type(error).__mro__:
            if cls in CODES:
                return ApiError(CODES[cls], error.message)
    return ApiError("InternalFailure")


def violations_error(
    operation: Operation, violations: list[str], *, declared_first: bool
) -> ApiError:
    """The error for broken constraints of the model.

    ValidationException, which no action declares, as the front end of AWS answers; with
    `declared_first` (a setting, for clients written against the reference) the declared
    InvalidParameterException where there is one.
    """
    count = len(violations)
    head = f"{count} validation error{'' if count == 1 else 's'} detected: "
    declared = declared_first and operation.declares("InvalidParameterException")
    code = "InvalidParameterException" if declared else "ValidationException"
    return ApiError(code, head + "; ".join(violations))


def unsupported(operation: Operation) -> ApiError:
    """The answer of actions that this version does not have yet."""
    return ApiError(
        "UnsupportedOperationException",
        f"{operation.name} is not available in this version of Workpost",
    )


def error_body(error: ApiError) -> bytes:
    """The body in both protocols; clients differ in how they spell the member, so both are sent."""
    return orjson.dumps({"__type": error.code, "Message": error.message, "message": error.message})

"""The table of errors: every error of the domain has its AWS error, nothing inside leaks."""

from __future__ import annotations

import json

import pytest

from tests.support.api import services
from workpost.kernel import errors as domain
from workpost.protocols.api.errors import (
    CODES,
    SIGNATURE_CODES,
    ApiError,
    error_body,
    translate,
    unsupported,
    violations_error,
)
from workpost.protocols.api.wire.body import MalformedBody
from workpost.protocols.signing import signature

WORKMAIL = services()["workmail"].operations
FLOW = services()["workmailmessageflow"].operations
MODELLED = {code for one in (*WORKMAIL.values(), *FLOW.values()) for code in one.errors}
KERNEL = [
    cls
    for cls in vars(domain).values()
    if isinstance(cls, type) and issubclass(cls, domain.WorkpostError)
]
FRONT_END = {
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ServiceUnavailableException",
    "InternalFailure",
}


@pytest.mark.parametrize("cls", KERNEL, ids=lambda cls: cls.__name__)
def test_every_domain_error_has_a_row(cls: type[domain.WorkpostError]) -> None:
    known = [base for base in cls.__mro__ if base in CODES]
    assert known or cls is domain.WorkpostError


def test_every_code_is_modelled_or_the_front_ends() -> None:
    assert set(CODES.values()) <= MODELLED | FRONT_END


def test_every_modelled_error_of_workmail_has_a_domain_error() -> None:
    missing = {code for one in WORKMAIL.values() for code in one.errors} - set(CODES.values())
    assert missing == {"InvalidCustomSesConfigurationException"}


def test_messages_of_domain_errors_reach_the_caller() -> None:
    error = translate(domain.EntityNotFound("There is no entity ada."))
    assert (error.code, error.message) == ("EntityNotFoundException", "There is no entity ada.")
    assert error.status(rest=False, operation=WORKMAIL["DescribeUser"]) == 400


def test_subclasses_are_known_by_their_parents() -> None:
    assert translate(domain.Busy("full")).code == "ServiceUnavailableException"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        domain.Fault("secret"),
        domain.WorkpostError("secret"),
        domain.TryLater("secret"),
        domain.StaleGrant("secret"),
    ],
)
def test_faults_say_nothing(error: Exception) -> None:
    told = translate(error)
    assert "secret" not in told.message
    assert told.status(rest=False, operation=None) in {500, 503}


def test_signature_and_body_errors() -> None:
    for cls, code in SIGNATURE_CODES.items():
        assert translate(cls("text")).code == code
    assert set(SIGNATURE_CODES) == set(signature.SignatureRefused.__subclasses__())
    assert translate(MalformedBody("text")).code == "SerializationException"
    error = ApiError("X", "y")
    assert translate(error) is error


@pytest.mark.parametrize(
    ("code", "json_status", "rest_status"),
    [
        ("MissingAuthenticationTokenException", 400, 403),
        ("IncompleteSignatureException", 400, 403),
        ("UnrecognizedClientException", 400, 403),
        ("ExpiredTokenException", 400, 403),
        ("InvalidSignatureException", 400, 403),
        ("AccessDeniedException", 400, 403),
        ("ResourceNotFoundException", 400, 404),
        ("MessageFrozen", 400, 400),
        ("SerializationException", 400, 400),
        ("ValidationException", 400, 400),
        ("ThrottlingException", 400, 400),
        ("InternalFailure", 500, 500),
        ("ServiceUnavailableException", 503, 503),
        ("RequestEntityTooLarge", 413, 413),
    ],
)
def test_statuses(code: str, json_status: int, rest_status: int) -> None:
    error = ApiError(code)
    assert error.status(rest=False, operation=WORKMAIL["GetImpersonationRole"]) == json_status
    assert error.status(rest=True, operation=FLOW["PutRawMessageContent"]) == rest_status


def test_both_spellings_of_the_message() -> None:
    assert json.loads(error_body(ApiError("EntityStateException", "no"))) == {
        "__type": "EntityStateException",
        "Message": "no",
        "message": "no",
    }


def test_violations() -> None:
    create, untag = WORKMAIL["CreateUser"], WORKMAIL["UntagResource"]
    one = violations_error(create, ["a"], declared_first=False)
    assert (one.code, one.message) == ("ValidationException", "1 validation error detected: a")
    two = violations_error(create, ["a", "b"], declared_first=True)
    assert two.code == "InvalidParameterException"
    assert two.message == "2 validation errors detected: a; b"
    assert violations_error(untag, ["a"], declared_first=True).code == "ValidationException"


def test_not_yet() -> None:
    error = unsupported(WORKMAIL["CreateResource"])
    assert error.code == "UnsupportedOperationException"
    assert error.message == "CreateResource is not available in this version of Workpost"

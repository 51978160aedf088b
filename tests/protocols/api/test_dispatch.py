"""The front end: what is asked in which order, and what each refusal looks like."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.support.api import (
    ACCESS_KEY,
    ACCOUNT,
    HOST,
    NOW,
    ORGANIZATION,
    FakeCredentials,
    call,
    decode,
    make_credential,
    make_dispatcher,
    presign,
    replace,
    rest,
    services,
    sign,
    unsigned,
)
from tests.support.front_end import (
    DESCRIBE,
    HANDLERS,
    ListUsers,
    answer,
    check_frame,
    refused,
    seen,
)
from workpost.domain.access.policies import parse_policy
from workpost.protocols.api.dispatch import ApiOptions
from workpost.protocols.api.errors import ApiError
from workpost.protocols.api.wire.body import MAX_BODY
from workpost.protocols.signing.messages import ApiRequest


class TestSuccess:
    def test_a_signed_call(self) -> None:
        response = answer(call("DescribeUser", DESCRIBE))
        assert decode(response) == (
            200,
            {"UserId": "ada", "Name": "ada", "EnabledDate": NOW // 1000},
        )
        assert dict(response.headers)[b"Content-Type"] == b"application/x-amz-json-1.1"
        check_frame(response)

    def test_the_handler_learns_who_calls(self) -> None:
        answer(call("DescribeUser", DESCRIBE))
        heard = seen[-1]
        assert (heard.account, heard.caller) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ada")
        assert (heard.region, heard.requested_region) == ("us-east-1", "us-east-1")
        assert heard.organization_arn("m-1") == (
            f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/m-1"
        )

    def test_of_a_long_user_agent_the_beginning_is_looked_at(self) -> None:
        request = unsigned("DescribeUser", DESCRIBE)
        headers = [*request.headers, (b"user-agent", b"agent" * 10_000)]
        assert answer(sign(replace(request, headers=headers))).status == 200
        assert seen[-1].user_agent == ("agent" * 205)[:1024]

    def test_an_empty_body_is_an_empty_input(self) -> None:
        response = answer(call("ListOrganizations", body=b""))
        assert decode(response) == (200, {"OrganizationSummaries": []})

    @pytest.mark.parametrize(
        "kind", [b"application/x-amz-json-1.1; charset=utf-8", b"application/x-amz-json-1.0", b"x"]
    )
    def test_content_types_are_taken_leniently(self, kind: bytes) -> None:
        request = unsigned("ListOrganizations")
        headers = [(n, kind if n == b"content-type" else v) for n, v in request.headers]
        assert answer(sign(replace(request, headers=headers))).status == 200

    def test_presigned(self) -> None:
        assert answer(presign(unsigned("DescribeUser", DESCRIBE))).status == 200

    def test_path_prefix(self) -> None:
        options = ApiOptions(prefix="/aws")
        for path in (b"/aws/", b"/aws"):
            request = sign(replace(unsigned("ListOrganizations"), path=path))
            assert answer(request, options=options).status == 200
        assert refused(answer(call("ListOrganizations"), options=options))[0] == 404

    def test_temporary_keys(self) -> None:
        credential = make_credential(session_token="token", expires=NOW + 1)
        request = unsigned("ListOrganizations")
        headers = [*request.headers, (b"x-amz-security-token", b"token")]
        signed = sign(replace(request, headers=headers))
        assert answer(signed, credentials=FakeCredentials(credential)).status == 200


class TestRouting:
    @pytest.mark.parametrize(
        "target",
        [None, b"ListOrganizations", b"WorkMailService.listOrganizations", b"WorkMailService.",
         b"AmazonSQS.ListOrganizations", b"X.WorkMailService.ListOrganizations"],
    )  # fmt: skip
    def test_unknown_targets(self, target: bytes | None) -> None:
        headers = [(b"host", HOST)] + ([(b"x-amz-target", target)] if target else [])
        request = ApiRequest(b"POST", b"/", b"", headers, b"{}")
        assert refused(answer(request))[:2] == (400, "UnknownOperationException")

    def test_two_targets_are_none(self) -> None:
        request = call("ListOrganizations")
        doubled = replace(request, headers=[*request.headers, (b"x-amz-target", b"x")])
        assert refused(answer(doubled))[1] == "UnknownOperationException"

    @pytest.mark.parametrize(
        "header",
        [(b"smithy-protocol", b"rpc-v2-cbor"), (b"content-type", b"application/cbor")],
    )
    def test_other_protocols(self, header: tuple[bytes, bytes]) -> None:
        target = (b"x-amz-target", b"WorkMailService.ListOrganizations")
        request = ApiRequest(b"POST", b"/", b"", [(b"host", HOST), target, header], b"{}")
        assert refused(answer(request))[:2] == (400, "UnknownOperationException")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            (b"GET", b"/", 405),
            (b"PUT", b"/", 405),
            (b"GET", b"/favicon.ico", 404),
            (b"GET", b"/messages", 404),
            (b"GET", b"/messages/", 404),
            (b"GET", b"/messages/a/", 404),
            (b"GET", b"/messages/a/b", 404),
            (b"GET", b"/messages/%ff", 404),
            (b"GET", b"//messages/a", 404),
            (b"DELETE", b"/messages/a", 405),
        ],
    )
    def test_other_paths_and_methods(self, method: bytes, path: bytes, status: int) -> None:
        request = ApiRequest(method, path, b"", [], b"")
        assert refused(answer(request))[:2] == (status, "UnknownOperationException")


class TestFrontEndErrors:
    """Every row of the table of front-end errors."""

    def test_too_large(self) -> None:
        request = replace(unsigned("ListOrganizations"), body=b" " * (MAX_BODY + 1))
        assert refused(answer(request))[:2] == (413, "RequestEntityTooLarge")

    def test_missing_authentication(self) -> None:
        assert refused(answer(unsigned("ListOrganizations"))) == (
            400,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
        request = ApiRequest(b"GET", b"/messages/a", b"", [], b"")
        assert refused(answer(request))[:2] == (403, "MissingAuthenticationTokenException")

    def test_incomplete_signature_echoes_nothing(self) -> None:
        request = unsigned("ListOrganizations")
        headers = [*request.headers, (b"authorization", b"AWS4-HMAC-SHA256 Credential=ECHO")]
        status, code, message = refused(answer(replace(request, headers=headers)))
        assert (status, code) == (400, "IncompleteSignatureException")
        assert "'Signature'" in message
        assert "ECHO" not in message

    @pytest.mark.parametrize("signed_with", ["AKIAUNKNOWNUNKNOWN01", ACCESS_KEY])
    def test_unknown_and_inactive_keys(self, signed_with: str) -> None:
        request = sign(unsigned("ListOrganizations"), access_key=signed_with)
        credentials = FakeCredentials(make_credential(active=False))
        assert refused(answer(request, credentials=credentials)) == (
            400,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )

    def test_an_unknown_key_is_told_first(self) -> None:
        request = sign(unsigned("ListOrganizations"), access_key="AKIAUNKNOWN", service="ses")
        assert refused(answer(request))[1] == "UnrecognizedClientException"

    def test_session_token_of_a_lasting_key(self) -> None:
        request = unsigned("ListOrganizations")
        headers = [*request.headers, (b"x-amz-security-token", b"token")]
        response = answer(sign(replace(request, headers=headers)))
        assert refused(response)[1] == "UnrecognizedClientException"

    def test_expired_session_token(self) -> None:
        credential = make_credential(session_token="token", expires=NOW)
        request = unsigned("ListOrganizations")
        headers = [*request.headers, (b"x-amz-security-token", b"token")]
        response = answer(
            sign(replace(request, headers=headers)), credentials=FakeCredentials(credential)
        )
        assert refused(response) == (
            400,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"secret": "wrong"},
            {"service": "workmailmessageflow"},
            {"region": "eu-west-1"},
            {"terminator": "aws5_request"},
            {"now": NOW - 16 * 60_000},
            {"now": NOW + 16 * 60_000},
        ],
    )
    def test_invalid_signatures(self, changes: dict[str, Any]) -> None:
        request = sign(unsigned("ListOrganizations"), **changes)
        response = answer(request, options=ApiOptions(any_region=False))
        assert refused(response)[:2] == (400, "InvalidSignatureException")

    def test_any_region_when_the_operator_says_so(self) -> None:
        request = sign(unsigned("ListOrganizations"), region="eu-west-1")
        assert answer(request).status == 200

    def test_authentication_comes_before_the_body(self) -> None:
        request = sign(unsigned("ListOrganizations", body=b"{"), secret="wrong")
        assert refused(answer(request))[1] == "InvalidSignatureException"

    @pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"MaxResults":"5"}', b"\xff"])
    def test_serialization(self, body: bytes) -> None:
        assert refused(answer(call("ListOrganizations", body=body)))[:2] == (
            400,
            "SerializationException",
        )

    def test_validation(self) -> None:
        document = {"MaxResults": 101, "NextToken": ""}
        assert refused(answer(call("ListOrganizations", document))) == (
            400,
            "ValidationException",
            "2 validation errors detected: Value '' at 'nextToken' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1; Value '101' at 'maxResults' "
            "failed to satisfy constraint: Member must have value less than or equal to 100",
        )

    def test_validation_as_the_reference_declares_it(self) -> None:
        options = ApiOptions(declared_validation_errors=True)
        response = answer(call("ListOrganizations", {"MaxResults": 0}), options=options)
        assert refused(response)[:2] == (400, "InvalidParameterException")

    def test_throttling(self) -> None:
        class Never:
            def admit(self, account: str, action: str) -> bool:
                assert (account, action) == (ACCOUNT, "ListOrganizations")
                return False

        response = answer(call("ListOrganizations"), throttle=Never())
        assert refused(response) == (400, "ThrottlingException", "Rate exceeded")

    def test_modelled_errors(self) -> None:
        assert refused(answer(call("DeleteUser", DESCRIBE))) == (
            400,
            "EntityNotFoundException",
            "There is no user ada.",
        )

    def test_faults_are_logged_and_not_told(self, caplog: pytest.LogCaptureFixture) -> None:
        document = {"OrganizationId": ORGANIZATION, "GroupId": "g"}
        with caplog.at_level(logging.ERROR):
            status, code, message = refused(answer(call("DeleteGroup", document)))
        assert (status, code) == (500, "InternalFailure")
        assert "secret" not in message
        assert "a secret of the house" in caplog.text

    def test_unmodelled_outputs_are_faults(self) -> None:
        response = answer(call("ListUsers", {"OrganizationId": ORGANIZATION}))
        assert refused(response)[:2] == (500, "InternalFailure")

    def test_temporary_faults_are_logged_in_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        response = answer(call("ListGroups", {"OrganizationId": ORGANIZATION}))
        assert refused(response)[:2] == (503, "ServiceUnavailableException")
        assert "the database is away" in caplog.text
        assert "Traceback" not in caplog.text

    def test_a_refusal_without_a_request(self) -> None:
        response = make_dispatcher().refuse(ApiError("RequestEntityTooLarge", "no"))
        assert refused(response) == (413, "RequestEntityTooLarge", "no")


class TestNotYet:
    def test_is_the_model_without_the_handlers(self) -> None:
        missing = make_dispatcher(HANDLERS).not_yet
        known = sum(len(service.operations) for service in services().values())
        assert len(missing) == known - len(HANDLERS)
        assert not missing & HANDLERS.keys()
        assert make_dispatcher(dict.fromkeys(missing, ListUsers) | HANDLERS).not_yet == frozenset()

    def test_answer(self) -> None:
        document = {"OrganizationId": ORGANIZATION}
        assert refused(answer(call("ListMailDomains", document))) == (
            400,
            "UnsupportedOperationException",
            "ListMailDomains is not available in this version of Workpost",
        )

    def test_answer_in_the_rest_frame(self) -> None:
        response = answer(rest(b"GET", b"/messages/abc"), make_dispatcher({}))
        assert refused(response)[:2] == (400, "UnsupportedOperationException")
        assert dict(response.headers)[b"Content-Type"] == b"application/json"

    def test_only_after_authentication_validation_and_authorization(self) -> None:
        assert refused(answer(unsigned("ListMailDomains")))[1].startswith("MissingAuth")
        assert refused(answer(call("ListMailDomains")))[1] == "ValidationException"
        nothing = parse_policy(b'{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}')
        credentials = FakeCredentials(make_credential(policy=nothing))
        response = answer(
            call("ListMailDomains", {"OrganizationId": ORGANIZATION}), credentials=credentials
        )
        assert refused(response)[1] == "AccessDeniedException"


class TestMessageFlow:
    def test_the_payload_is_the_body(self) -> None:
        response = answer(rest(b"GET", b"/messages/abc-1"))
        assert (response.status, response.body) == (200, b"Subject: hello\r\n\r\n")
        assert dict(response.headers)[b"Content-Type"] == b"application/octet-stream"

    def test_labels_are_decoded_after_the_split(self) -> None:
        assert answer(rest(b"GET", b"/messages/%61bc")).status == 200
        response = answer(rest(b"GET", b"/messages/a%2Fb"))
        assert refused(response)[:2] == (400, "ValidationException")
        assert "Value 'a/b' at 'messageId'" in refused(response)[2]

    def test_not_found_is_404(self) -> None:
        assert refused(answer(rest(b"GET", b"/messages/gone"))) == (
            404,
            "ResourceNotFoundException",
            "There is no message gone.",
        )

    def test_put(self) -> None:
        body = b'{"content":{"s3Reference":{"bucket":"bucket","key":"k"}}}'
        response = answer(rest(b"POST", b"/messages/abc", body))
        assert decode(response) == (200, {})
        assert refused(answer(rest(b"POST", b"/messages/abc", b"[]")))[1] == (
            "SerializationException"
        )

    def test_signed_for_its_own_service(self) -> None:
        request = ApiRequest(b"GET", b"/messages/abc", b"", [(b"host", HOST)], b"")
        assert refused(answer(sign(request)))[:2] == (403, "InvalidSignatureException")

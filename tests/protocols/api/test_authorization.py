"""The front end: policies, the state of organizations, the observer, finding handlers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import (
    ACCOUNT,
    ORGANIZATION,
    FakeCredentials,
    FakeOrganizations,
    call,
    make_credential,
    make_dispatcher,
    rest,
    services,
    unsigned,
)
from tests.support.front_end import (
    DESCRIBE,
    HANDLERS,
    DescribeUser,
    answer,
    refused,
    seen,
)
from workpost.domain.access.policies import parse_policy
from workpost.protocols.api.authorization import authorize
from workpost.protocols.signing.messages import ApiRequest, ApiResponse


class TestAuthorization:
    def with_policy(self, statement: str, request: ApiRequest, **parts: Any) -> ApiResponse:
        document = f'{{"Version":"2012-10-17","Statement":{statement}}}'
        credential = make_credential(policy=parse_policy(document))
        return answer(request, credentials=FakeCredentials(credential), **parts)

    def test_allowed(self) -> None:
        arn = f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/{ORGANIZATION}"
        statement = f'{{"Effect":"Allow","Action":"workmail:Describe*","Resource":"{arn}"}}'
        assert self.with_policy(statement, call("DescribeUser", DESCRIBE)).status == 200

    def test_not_allowed(self) -> None:
        statement = '{"Effect":"Allow","Action":"workmail:List*","Resource":"*"}'
        assert refused(self.with_policy(statement, call("DescribeUser", DESCRIBE))) == (
            400,
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:user/ada is not authorized to perform: "
            "workmail:DescribeUser on resource: "
            f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/{ORGANIZATION} because no "
            "identity-based policy allows the workmail:DescribeUser action",
        )

    def test_denied(self) -> None:
        statement = '{"Effect":"Deny","Action":"*","Resource":"*"}'
        message = refused(self.with_policy(statement, call("ListOrganizations")))[2]
        assert message.endswith("on resource: * with an explicit deny in an identity-based policy")

    def test_denied_in_the_rest_frame(self) -> None:
        statement = '{"Effect":"Deny","Action":"*","Resource":"*"}'
        response = self.with_policy(statement, rest(b"GET", b"/messages/abc"))
        status, code, message = refused(response)
        assert (status, code) == (403, "AccessDeniedException")
        assert f"arn:aws:workmailmessageflow:us-east-1:{ACCOUNT}:message/*/*/abc" in message

    @pytest.mark.parametrize(
        ("condition", "allowed"),
        [
            ('{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}', True),
            ('{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}', False),
            ('{"Bool":{"aws:SecureTransport":"false"}}', True),
            ('{"StringEquals":{"aws:username":"ada","aws:userid":"AIDAEXAMPLE"}}', True),
            ('{"StringEquals":{"aws:ResourceTag/Team":"mail"}}', True),
            ('{"StringEquals":{"aws:RequestTag/Stage":"prod"}}', True),
            ('{"ForAllValues:StringEquals":{"aws:TagKeys":["Stage"]}}', True),
            ('{"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}}', False),
            ('{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}', True),
            ('{"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:01Z"}}', True),
            ('{"NumericEquals":{"aws:EpochTime":"1767225600"}}', True),
            ('{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}}', True),
            ('{"Null":{"aws:UserAgent":"true"}}', True),
        ],
    )
    def test_conditions(self, condition: str, allowed: bool) -> None:
        arn = f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/{ORGANIZATION}"
        statement = f'{{"Effect":"Allow","Action":"*","Resource":"{arn}","Condition":{condition}}}'
        tagged = FakeOrganizations(tags={"Team": "mail"})
        document = {"ResourceARN": arn, "Tags": [{"Key": "Stage", "Value": "prod"}]}
        if "ResourceTag" in condition:
            request = call("DescribeUser", DESCRIBE)
        else:
            request = call("TagResource", document)
        response = self.with_policy(statement, request, organizations=tagged)
        assert (response.status == 200) is allowed

    def test_an_arn_that_is_no_organizations_is_judged_as_it_stands(self) -> None:
        other = "arn:aws:workmail:us-east-1:444455556666:organization/m-1"
        statement = f'{{"Effect":"Deny","Action":"*","Resource":"{other}"}}'
        request = call("ListTagsForResource", {"ResourceARN": other})
        assert refused(self.with_policy(statement, request))[2].endswith("identity-based policy")

    def test_untag_names_its_keys(self) -> None:
        statement = (
            '{"Effect":"Allow","Action":"*","Resource":"*",'
            '"Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"Stage"}}}'
        )
        document = {"ResourceARN": "arn:aws:workmail:us-east-1:1:x", "TagKeys": ["Stage"]}
        response = self.with_policy(statement, call("UntagResource", document))
        assert refused(response)[1] == "UnsupportedOperationException"


def test_a_caller_without_a_policy_may_do_everything() -> None:
    answer(call("DescribeUser", DESCRIBE))
    authorize(seen[-1], "workmail:DeleteUser", "*", {})


def test_a_credential_is_printed_without_its_secret() -> None:
    assert "test" not in repr(make_credential())


class TestOrganizationState:
    def test_unknown_organization(self) -> None:
        document = {"OrganizationId": "m-" + "f" * 32, "UserId": "ada"}
        response = answer(call("DescribeUser", document), organizations=FakeOrganizations())
        assert refused(response)[:2] == (400, "OrganizationNotFoundException")

    def test_deleted_organization(self) -> None:
        response = answer(
            call("DescribeUser", DESCRIBE), organizations=FakeOrganizations("Deleted")
        )
        assert refused(response) == (
            400,
            "OrganizationStateException",
            f"Organization {ORGANIZATION} is not Active, state: Deleted",
        )

    def test_describe_organization_works_in_every_state(self) -> None:
        response = answer(
            call("DescribeOrganization", {"OrganizationId": ORGANIZATION}),
            organizations=FakeOrganizations("Deleted"),
        )
        assert response.status == 200

    def test_active_organization(self) -> None:
        response = answer(call("DescribeUser", DESCRIBE), organizations=FakeOrganizations())
        assert response.status == 200


def test_the_observer_hears_every_answer() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.heard: list[dict[str, Any]] = []

        def answered(self, **facts: Any) -> None:
            self.heard.append(facts)

    recorder = Recorder()
    dispatcher = make_dispatcher(HANDLERS, observer=recorder)
    answer(call("DescribeUser", DESCRIBE), dispatcher)
    answer(unsigned("DescribeUser", DESCRIBE), dispatcher)
    ids = [facts.pop("request_id") for facts in recorder.heard]
    assert len(set(ids)) == 2
    assert recorder.heard == [
        {"action": "DescribeUser", "account": ACCOUNT, "status": 200, "code": "", "seconds": 0.0},
        {
            "action": "DescribeUser",
            "account": "",
            "status": 400,
            "code": "MissingAuthenticationTokenException",
            "seconds": 0.0,
        },
    ]


def test_handlers_are_found_by_the_name_of_their_action() -> None:
    from types import ModuleType

    from workpost.protocols.api.actions import registry

    users, groups = ModuleType("users"), ModuleType("groups")
    users.DescribeUser = groups.ListGroups = DescribeUser  # type: ignore[attr-defined]
    names = services()["workmail"].operations
    assert registry(names, (users, groups)).keys() == {"DescribeUser", "ListGroups"}
    groups.DescribeUser = DescribeUser  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="DescribeUser"):
        registry(names, (users, groups))

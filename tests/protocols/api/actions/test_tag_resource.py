"""TagResource, and what IAM makes of tags."""

from __future__ import annotations

import json
from typing import Any

from tests.support.api_server import ApiServer, Tenant, refused


def arn(tenant: Tenant) -> str:
    text: str = tenant("DescribeOrganization")["ARN"]
    return text


def tag(tenant: Tenant, **tags: str) -> None:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    tenant.client.tag_resource(ResourceARN=arn(tenant), Tags=pairs)


def tags(tenant: Tenant) -> dict[str, str]:
    found = tenant.client.list_tags_for_resource(ResourceARN=arn(tenant))["Tags"]
    return {each["Key"]: each["Value"] for each in found}


def test_tags_are_added_and_overwritten(demo: Tenant) -> None:
    assert tags(demo) == {}
    tag(demo, stage="test", Stage="", owner="ada")
    tag(demo, stage="prod")
    assert tags(demo) == {"Stage": "", "owner": "ada", "stage": "prod"}
    demo.client.tag_resource(ResourceARN=arn(demo), Tags=[])
    assert tags(demo) == {"Stage": "", "owner": "ada", "stage": "prod"}


def test_fifty_at_most_and_a_refusal_leaves_nothing(demo: Tenant) -> None:
    tag(demo, **{f"key{n}": "v" for n in range(49)})
    pairs = [{"Key": f"more{n}", "Value": ""} for n in range(2)]
    code, _ = refused(demo.client.tag_resource, ResourceARN=arn(demo), Tags=pairs)
    assert code == "TooManyTagsException"
    assert len(tags(demo)) == 49
    tag(demo, more0="", key0="changed")
    assert len(tags(demo)) == 50


def test_reserved_and_repeated_keys(demo: Tenant) -> None:
    for keys in (["aws:stage"], ["AWS:x"], ["twice", "twice"]):
        pairs = [{"Key": key, "Value": "v"} for key in keys]
        code, _ = refused(demo.client.tag_resource, ResourceARN=arn(demo), Tags=pairs)
        assert code == "InvalidParameterException"
    assert tags(demo) == {}


def test_arns_that_name_nothing_of_the_account(demo: Tenant, other: Tenant) -> None:
    mine, theirs = arn(demo), arn(other)
    tag(other, stage="theirs")
    unknown = mine.replace(demo.organization, "m-" + "0" * 32)
    wrong = [theirs, unknown, mine + "x", mine.replace("us-east-1", "eu-west-1")]
    wrong += [theirs.replace(other.account, demo.account), mine.replace("organization/", "")]
    for each in wrong:
        for call, more in CALLS.items():
            code, _ = refused(getattr(demo.client, call), ResourceARN=each, **more)
            assert code == "ResourceNotFoundException", each
    assert tags(other) == {"stage": "theirs"}
    for call, more in CALLS.items():
        code, _ = refused(getattr(demo.client, call), ResourceARN="arn:aws:s3:::x", **more)
        assert code == "ValidationException"


CALLS: dict[str, dict[str, Any]] = {
    "tag_resource": {"Tags": [{"Key": "k", "Value": "v"}]},
    "untag_resource": {"TagKeys": ["stage"]},
    "list_tags_for_resource": {},
}


def test_a_deleted_organization_has_no_tags(demo: Tenant) -> None:
    name = arn(demo)
    tag(demo, stage="test")
    demo("DeleteOrganization", DeleteDirectory=True, ForceDelete=True)
    codes = [
        refused(getattr(demo.client, call), ResourceARN=name, **more)[0]
        for call, more in CALLS.items()
    ]
    assert codes == [
        "OrganizationStateException",
        "ResourceNotFoundException",
        "ResourceNotFoundException",
    ]


def policy(effect: str, operator: str, key: str, value: str, action: str = "workmail:*") -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": effect,
                    "Action": action,
                    "Resource": "*",
                    "Condition": {operator: {key: value}},
                },
                *(
                    [{"Effect": "Allow", "Action": "workmail:*", "Resource": "*"}]
                    if effect == "Deny"
                    else []
                ),
            ],
        }
    )


def test_iam_conditions_on_the_tags_of_the_resource(api: ApiServer, demo: Tenant) -> None:
    limited = Tenant(
        api.client(demo.account, policy("Allow", "StringEquals", "aws:ResourceTag/stage", "test")),
        demo.account,
        demo.organization,
        demo.domain,
    )
    assert refused(limited, "ListUsers")[0] == "AccessDeniedException"
    tag(demo, stage="test")
    assert limited("ListUsers")["Users"] == []
    assert tags(limited) == {"stage": "test"}
    tag(demo, stage="prod")
    assert refused(limited, "ListUsers")[0] == "AccessDeniedException"
    name = arn(demo)
    code, _ = refused(limited.client.list_tags_for_resource, ResourceARN=name)
    assert code == "AccessDeniedException"


def test_iam_conditions_on_the_tags_of_the_request(api: ApiServer, demo: Tenant) -> None:
    text = policy("Deny", "StringEquals", "aws:RequestTag/stage", "prod", "workmail:TagResource")
    limited = Tenant(api.client(demo.account, text), demo.account, demo.organization, demo.domain)
    tag(limited, stage="test")
    pairs = [{"Key": "stage", "Value": "prod"}]
    code, _ = refused(limited.client.tag_resource, ResourceARN=arn(demo), Tags=pairs)
    assert code == "AccessDeniedException"
    text = policy("Deny", "StringEquals", "aws:TagKeys", "stage", "workmail:UntagResource")
    limited = Tenant(api.client(demo.account, text), demo.account, demo.organization, demo.domain)
    code, _ = refused(limited.client.untag_resource, ResourceARN=arn(demo), TagKeys=["stage"])
    assert code == "AccessDeniedException"
    assert tags(demo) == {"stage": "test"}


def test_a_tag_of_other_case_hides_no_tag_from_iam(api: ApiServer, demo: Tenant) -> None:
    text = policy("Allow", "StringEquals", "aws:RequestTag/stage", "test", "workmail:TagResource")
    limited = Tenant(api.client(demo.account, text), demo.account, demo.organization, demo.domain)
    pairs = [{"Key": "stage", "Value": "prod"}, {"Key": "STAGE", "Value": "test"}]
    for tags_of_request in (pairs, pairs[::-1]):
        code, _ = refused(limited.client.tag_resource, ResourceARN=arn(demo), Tags=tags_of_request)
        assert code == "AccessDeniedException"
    text = policy("Allow", "StringEquals", "aws:ResourceTag/stage", "test")
    limited = Tenant(api.client(demo.account, text), demo.account, demo.organization, demo.domain)
    for name in ("STAGE", "Stage"):
        tag(demo, stage="prod", **{name: "test"})
        assert refused(limited, "ListUsers")[0] == "AccessDeniedException"

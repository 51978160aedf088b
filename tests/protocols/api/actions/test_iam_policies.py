"""What a user of IAM may call: all inline policies together, and every condition key."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from tests.protocols.api.actions.test_sts import Account, policy, statement
from tests.support.api_server import ApiServer, Tenant, refused
from workpost.domain.access import iam
from workpost.domain.access.accounts import create_access_key
from workpost.kernel.settings import Api
from workpost.protocols.api.throttling import Throttling
from workpost.store.database.unit import Tx, command

DENIED = "AccessDeniedException"


@command
def set_tag(tx: Tx, *, org: str, key: str, value: str) -> None:
    tx.run("INSERT INTO organization_tag (org, key, value) VALUES (?, ?, ?)", org, key, value)
    tx.announce("policy", org, 1)


@pytest.fixture
def account(api: ApiServer, demo: Tenant) -> Account:
    return Account(api, demo)


def may(call: Callable[..., Any], **parameters: Any) -> bool:
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] == DENIED:
            return False
        raise
    return True


def test_inline_policies_add_up_and_a_deny_wins(account: Account) -> None:
    organization = account.tenant.organization
    ada = account.workmail(
        account.user(
            "ada",
            policy(statement("workmail:List*")),
            policy(statement("workmail:Describe*")),
            policy(statement("workmail:ListUsers", "Deny")),
        )
    )
    assert may(ada.list_organizations)
    assert may(ada.describe_organization, OrganizationId=organization)
    code, text = refused(ada.list_users, OrganizationId=organization)
    assert code == DENIED
    arn = iam.user_arn(account.id, "ada")
    where = f"arn:aws:workmail:us-east-1:{account.id}:organization/{organization}"
    assert (
        f"User: {arn} is not authorized to perform: workmail:ListUsers on resource: {where} "
        in text
    )
    assert text.endswith("with an explicit deny in an identity-based policy")
    code, text = refused(ada.create_organization, Alias="more")
    assert text.endswith(
        "because no identity-based policy allows the workmail:CreateOrganization action"
    )


def test_a_user_without_policies_may_do_nothing(account: Account) -> None:
    assert not may(account.workmail(account.user("ada")).list_organizations)


def test_a_key_with_a_policy_of_its_own_is_limited_by_it(account: Account) -> None:
    account.user("ada", policy(statement("workmail:*")))
    limit = policy(statement("workmail:ListOrganizations"))
    key = account.api.run(create_access_key(account.api.core, account.id, user="ada", policy=limit))
    client = account.workmail((key.access_key_id, key.secret_access_key))
    assert may(client.list_organizations)
    assert not may(client.create_organization, Alias="more")


def test_keys_go_with_their_user(account: Account) -> None:
    ada = account.workmail(account.user("ada", policy(statement("workmail:*"))))
    write = account.api.core.store.write
    account.api.run(write(iam.delete_user, account=account.id, name="ada"))
    code, _ = refused(ada.list_organizations)
    assert code == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
        ({"NumericGreaterThan": {"aws:EpochTime": "1577836800"}}, True),
        ({"StringEquals": {"aws:username": "ada"}}, True),
        ({"StringLike": {"aws:userid": "AIDA*"}}, True),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, True),
        ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, True),
        ({"StringEquals": {"aws:ResourceTag/stage": "test"}}, True),
        ({"StringEquals": {"aws:ResourceTag/STAGE": "test"}}, True),
        ({"StringEquals": {"aws:ResourceTag/stage": "live"}}, False),
        ({"Null": {"aws:ResourceTag/owner": "true"}}, True),
        ({"Null": {"aws:TokenIssueTime": "true"}}, True),
    ],
)
def test_conditions(account: Account, condition: dict[str, Any], allowed: bool) -> None:
    organization = account.tenant.organization
    account.api.run(
        account.api.core.store.write(set_tag, org=organization, key="stage", value="test")
    )
    allow = statement("workmail:ListUsers", Condition=condition)
    ada = account.workmail(account.user("ada", policy(allow)))
    assert may(ada.list_users, OrganizationId=organization) is allowed


def test_a_change_of_tags_counts_at_once(account: Account) -> None:
    organization = account.tenant.organization
    condition = {"StringEquals": {"aws:ResourceTag/stage": "test"}}
    allow = statement("workmail:ListUsers", Condition=condition)
    ada = account.workmail(account.user("ada", policy(allow)))
    assert not may(ada.list_users, OrganizationId=organization)
    write = account.api.core.store.write
    account.api.run(write(set_tag, org=organization, key="stage", value="test"))
    assert may(ada.list_users, OrganizationId=organization)


def test_tags_of_other_accounts_are_not_looked_at(account: Account, other: Tenant) -> None:
    write = account.api.core.store.write
    account.api.run(write(set_tag, org=other.organization, key="stage", value="test"))
    condition = {"StringEquals": {"aws:ResourceTag/stage": "test"}}
    ada = account.workmail(
        account.user("ada", policy(statement("workmail:ListUsers", Condition=condition)))
    )
    assert not may(ada.list_users, OrganizationId=other.organization)


def test_resources(account: Account) -> None:
    organization = account.tenant.organization
    arn = f"arn:aws:workmail:*:{account.id}:organization/{organization}"
    ada = account.workmail(account.user("ada", policy(statement("workmail:*", Resource=arn))))
    assert may(ada.list_users, OrganizationId=organization)
    assert not may(ada.list_organizations)
    assert not may(ada.list_users, OrganizationId="m-" + "0" * 32)


def test_throttling(account: Account, api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Api(throttle_actions=("CreateGroup=1",), throttle_burst=1)
    settings = msgspec.structs.replace(api.core.settings, api=slow)
    throttle = Throttling(settings, api.core.env)
    throttle._actions = {"CreateGroup": 0.001}
    monkeypatch.setattr(api.front.dispatcher, "_throttle", throttle)
    demo = account.tenant
    demo("CreateGroup", Name="one")
    assert refused(demo, "CreateGroup", Name="two") == ("ThrottlingException", "Rate exceeded")
    assert [group["Name"] for group in demo("ListGroups")["Groups"]] == ["one"]

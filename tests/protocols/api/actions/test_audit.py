"""Every call in the audit log, in CloudTrail's shape."""

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.directories import PASSWORD
from workpost.domain.access import iam
from workpost.domain.access.accounts import create_access_key
from workpost.operations.audit.reading import read_audit

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MEMBERS = {
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion",
    "sourceIPAddress", "userAgent", "requestParameters", "responseElements", "requestID", "eventID",
    "readOnly", "eventType", "managementEvent", "recipientAccountId", "eventCategory",
}  # fmt: skip


def records(api: ApiServer, tenant: Tenant, name: str = "") -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        await api.front.audit.flush()
        found = read_audit(api.core, tenant.account, event_name=name)
        return [record async for record in found]

    return api.run(read())


def test_a_change(api: ApiServer, demo: Tenant) -> None:
    answer = demo.client.create_user(
        OrganizationId=demo.organization, Name="ada", DisplayName="Ada", Password=PASSWORD
    )
    (record,) = records(api, demo, "CreateUser")
    assert record.keys() == MEMBERS
    assert record["requestParameters"] == {
        "organizationId": demo.organization,
        "name": "ada",
        "displayName": "***",
        "password": "***",
    }
    assert record["responseElements"] == {"userId": answer["UserId"]}
    assert record["readOnly"] is False
    assert record["requestID"] == answer["ResponseMetadata"]["RequestId"]
    assert UUID.fullmatch(record["eventID"])
    assert record["eventSource"] == "workmail.amazonaws.com"
    assert record["eventType"] == "AwsApiCall"
    assert record["awsRegion"] == "us-east-1"
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert "Boto3" in record["userAgent"]
    assert record["recipientAccountId"] == demo.account
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["eventTime"])
    identity = record["userIdentity"]
    assert identity.pop("accessKeyId").startswith("AKIA")
    assert identity == {
        "type": "Root",
        "principalId": demo.account,
        "arn": f"arn:aws:iam::{demo.account}:root",
        "accountId": demo.account,
    }


def test_a_reading(api: ApiServer, demo: Tenant) -> None:
    demo.client.list_organizations()
    demo("DescribeOrganization")
    (listed,) = records(api, demo, "ListOrganizations")
    assert (listed["readOnly"], listed["requestParameters"]) == (True, None)
    (described,) = records(api, demo, "DescribeOrganization")
    assert described["requestParameters"] == {"organizationId": demo.organization}
    assert described["responseElements"] is None


def test_refusals(api: ApiServer, demo: Tenant) -> None:
    refused(demo, "DescribeUser", UserId="nobody")
    refused(demo, "CreateUser", Name="x" * 65, DisplayName="X")
    (missing,) = records(api, demo, "DescribeUser")
    assert missing["errorCode"] == "EntityNotFoundException"
    assert "nobody" in missing["errorMessage"]
    (invalid,) = records(api, demo, "CreateUser")
    assert invalid["errorCode"] == "ValidationException"
    assert invalid["requestParameters"] is None


def test_who_is_not_known_is_not_recorded(api: ApiServer, demo: Tenant) -> None:
    before = len(records(api, demo))
    key = api.run(create_access_key(api.core, demo.account))
    for access_key, secret in ((key.access_key_id, "wrong"), ("AKIA" + "A" * 16, "wrong")):
        with pytest.raises(ClientError):
            api.signed_by(access_key, secret).list_organizations()
    assert len(records(api, demo)) == before


def test_sessions(api: ApiServer, demo: Tenant) -> None:
    key = api.run(create_access_key(api.core, demo.account))
    trust = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"'
        f'{demo.account}"}},"Action":"sts:AssumeRole"}}}}'
    )
    role_id = iam.fresh_id(api.core.env, "AROA")
    api.run(
        api.core.store.write(
            iam.create_role,
            account=demo.account,
            name="reader",
            role_id=role_id,
            trust=trust,
            max_session=3600,
        )
    )
    sts = api.signed_by(key.access_key_id, key.secret_access_key, None, "sts")
    arn = iam.role_arn(demo.account, "reader")
    given = sts.assume_role(RoleArn=arn, RoleSessionName="it")["Credentials"]
    (assumed,) = records(api, demo, "AssumeRole")
    assert assumed["eventSource"] == "sts.amazonaws.com"
    shown = assumed["responseElements"]["credentials"]
    assert (shown["secretAccessKey"], shown["sessionToken"]) == ("***", "***")
    assert shown["accessKeyId"] == given["AccessKeyId"]
    session = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    refused(api.signed_by(*session).list_organizations)
    (listed,) = records(api, demo, "ListOrganizations")
    identity = listed["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["principalId"] == f"{role_id}:it"
    context = identity["sessionContext"]
    assert context["sessionIssuer"] == {
        "type": "Role",
        "principalId": role_id,
        "arn": arn,
        "accountId": demo.account,
        "userName": "reader",
    }
    assert context["attributes"]["mfaAuthenticated"] == "false"
    assert listed["errorCode"] == "AccessDeniedException"


def test_what_cannot_be_recorded_is_not_done(
    api: ApiServer, demo: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workpost.operations.audit.log.MAX_CALLS", 0)
    with pytest.raises(ClientError) as caught:
        demo("CreateGroup", Name="team")
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailableException"
    monkeypatch.undo()
    assert demo("ListGroups")["Groups"] == []


def test_what_the_console_does(api: ApiServer, demo: Tenant) -> None:
    demo("SearchMembers", SearchText="Ada Lovelace")
    refused(demo, "WipeMobileDevice", UserId="nobody", DeviceId="D1")
    (found,) = records(api, demo, "SearchMembers")
    assert (found["eventSource"], found["readOnly"]) == ("workmail.amazonaws.com", True)
    assert found["requestParameters"]["searchText"] == "***"
    (wipe,) = records(api, demo, "WipeMobileDevice")
    assert wipe["requestParameters"]["deviceId"] == "D1"
    assert (wipe["errorCode"], wipe["readOnly"]) == ("EntityNotFoundException", False)


def test_the_token_of_an_impersonation_role_is_hidden(api: ApiServer, demo: Tenant) -> None:
    made = demo("CreateImpersonationRole", Name="sync", Type="READ_ONLY", Rules=[])
    demo("AssumeImpersonationRole", **made)
    (record,) = records(api, demo, "AssumeImpersonationRole")
    role = made["ImpersonationRoleId"]
    assert record["requestParameters"]["impersonationRoleId"] == role
    assert record["responseElements"] == {"token": "***", "expiresIn": 900}

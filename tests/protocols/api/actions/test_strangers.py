"""A stranger's key and a stranger's ids: the proper error, never another tenant's data."""

from typing import Any

import pytest

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.directories import PASSWORD
from tests.support.oidc import INSTANCE
from workpost.protocols.api.actions import registry
from workpost.protocols.api.model import MESSAGE_FLOW, load_services

APPLICATION = "arn:aws:sso::111122223333:application/ssoins-1234567890abcdef/apl-1234567890abcdef"
LOG_GROUP = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/workmail/emailevents/demo:*"
ENTITY = "76f10bc1-7875-4f5e-b4f8-a31808b8109e"
ALL = [name for service in load_services().values() for name in service.operations]
ROLE_RULE = {"ImpersonationRuleId": "one", "Effect": "ALLOW", "TargetUsers": ["ada"]}
PROVIDER = {
    "LambdaProvider": {"LambdaArn": "arn:aws:lambda:us-east-1:111122223333:function:availability"}
}
FLOW_RULE: dict[str, Any] = {
    "Name": "x",
    "Action": {"Type": "DROP"},
    "SenderPatterns": ["*"],
    "DestinationPatterns": ["demo.test"],
}
GATEWAY = {
    "Name": "x",
    "Host": "gateway.example",
    "Port": 587,
    "Username": "demo",
    "Password": "secret",
}
CALLS: dict[str, dict[str, Any]] = {
    "AssociateDelegateToResource": {"ResourceId": "room", "EntityId": "ada"},
    "AssociateMemberToGroup": {"GroupId": "everyone", "MemberId": "ada"},
    "AssumeImpersonationRole": {"ImpersonationRoleId": "role"},
    "CancelMailboxExportJob": {"JobId": ENTITY},
    "CreateAlias": {"EntityId": ENTITY, "Alias": "new@demo.test"},
    "CreateAvailabilityConfiguration": {"DomainName": "partner.example", **PROVIDER},
    "CreateGroup": {"Name": "strangers"},
    "CreateImpersonationRole": {"Name": "x", "Type": "READ_ONLY", "Rules": [ROLE_RULE]},
    "CreateMobileDeviceAccessRule": {"Name": "x", "Effect": "DENY"},
    "CreateResource": {"Name": "strangers", "Type": "ROOM"},
    "CreateUser": {"Name": "stranger", "DisplayName": "Stranger", "Password": PASSWORD},
    "DeleteAccessControlRule": {"Name": "default"},
    "DeleteAlias": {"EntityId": ENTITY, "Alias": "new@demo.test"},
    "DeleteAvailabilityConfiguration": {"DomainName": "partner.example"},
    "DeleteEmailMonitoringConfiguration": {},
    "DeleteGroup": {"GroupId": "everyone"},
    "DeleteIdentityProviderConfiguration": {},
    "DeleteImpersonationRole": {"ImpersonationRoleId": "role"},
    "DeleteMailboxPermissions": {"EntityId": "ada", "GranteeId": "disabled"},
    "DeleteMobileDevice": {"UserId": "ada", "DeviceId": "D1"},
    "DeleteMobileDeviceAccessOverride": {"UserId": "ada", "DeviceId": "D1"},
    "DeleteMobileDeviceAccessRule": {"MobileDeviceAccessRuleId": "rule"},
    "DeleteOrganization": {"DeleteDirectory": True, "ForceDelete": True},
    "DeletePersonalAccessToken": {"PersonalAccessTokenId": ENTITY},
    "DeleteResource": {"ResourceId": "room"},
    "DeleteRetentionPolicy": {"Id": ENTITY},
    "DeleteUser": {"UserId": "disabled"},
    "DeregisterFromWorkMail": {"EntityId": "ada"},
    "DeregisterMailDomain": {"DomainName": "mail.example"},
    "DescribeEmailMonitoringConfiguration": {},
    "DescribeEntity": {"Email": "ada@demo.test"},
    "DescribeGroup": {"GroupId": "everyone"},
    "DescribeInboundDmarcSettings": {},
    "DescribeIdentityProviderConfiguration": {},
    "DescribeMailboxExportJob": {"JobId": ENTITY},
    "DescribeOrganization": {},
    "DescribeResource": {"ResourceId": "room"},
    "DescribeUser": {"UserId": "ada"},
    "DisassociateDelegateFromResource": {"ResourceId": "room", "EntityId": "ada"},
    "DisassociateMemberFromGroup": {"GroupId": "everyone", "MemberId": "ada"},
    "GetAccessControlEffect": {"IpAddress": "10.1.2.3", "Action": "IMAP", "UserId": ENTITY},
    "GetImpersonationRole": {"ImpersonationRoleId": "role"},
    "GetImpersonationRoleEffect": {"ImpersonationRoleId": "role", "TargetUser": "ada"},
    "GetDefaultRetentionPolicy": {},
    "GetMailDomain": {"DomainName": "demo.test"},
    "GetMailboxDetails": {"UserId": "ada"},
    "GetPersonalAccessTokenMetadata": {"PersonalAccessTokenId": ENTITY},
    "GetMobileDeviceAccessEffect": {},
    "GetMobileDeviceAccessOverride": {"UserId": "ada", "DeviceId": "D1"},
    "GetMobileDeviceDetails": {"UserId": "ada", "DeviceId": "D1"},
    "GetMobileDevicesForUser": {"UserId": "ada"},
    "GetMobilePolicyDetails": {},
    "ListAccessControlRules": {},
    "ListAliases": {"EntityId": ENTITY},
    "ListAvailabilityConfigurations": {},
    "ListGroupMembers": {"GroupId": "everyone"},
    "ListGroups": {},
    "ListGroupsForEntity": {"EntityId": "ada"},
    "ListImpersonationRoles": {},
    "ListMailDomains": {},
    "ListMailboxExportJobs": {},
    "ListMailboxPermissions": {"EntityId": "ada"},
    "ListPersonalAccessTokens": {"UserId": "ada"},
    "ListMobileDeviceAccessOverrides": {"UserId": "ada"},
    "ListMobileDeviceAccessRules": {},
    "ListResourceDelegates": {"ResourceId": "room"},
    "ListResources": {},
    "ListUsers": {},
    "PutAccessControlRule": {
        "Name": "x",
        "Effect": "DENY",
        "Description": "x",
        "UserIds": [ENTITY],
    },
    "PutIdentityProviderConfiguration": {
        "AuthenticationMode": "IDENTITY_PROVIDER_ONLY",
        "IdentityCenterConfiguration": {
            "InstanceArn": INSTANCE,
            "ApplicationArn": APPLICATION,
        },
        "PersonalAccessTokenConfiguration": {"Status": "ACTIVE"},
    },
    "PutEmailMonitoringConfiguration": {"LogGroupArn": LOG_GROUP},
    "PutInboundDmarcSettings": {"Enforced": False},
    "PutMailboxPermissions": {
        "EntityId": "ada",
        "GranteeId": "grace",
        "PermissionValues": ["SEND_AS"],
    },
    "PutMobileDeviceAccessOverride": {"UserId": "ada", "DeviceId": "D1", "Effect": "DENY"},
    "RegisterMailDomain": {"DomainName": "mail.example"},
    "RegisterToWorkMail": {"EntityId": "disabled", "Email": "disabled@demo.test"},
    "ResetPassword": {"UserId": ENTITY, "Password": PASSWORD},
    "SearchMembers": {"SearchText": "ada"},
    "SetMobilePolicyDetails": {"Policy": {"PasswordRequired": True}},
    "PutRetentionPolicy": {
        "Name": "default",
        "FolderConfigurations": [{"Name": "INBOX", "Action": "DELETE", "Period": 1}],
    },
    "StartMailboxExportJob": {
        "EntityId": "ada",
        "RoleArn": "arn:aws:iam::111122223333:role/exporter",
        "KmsKeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
        "S3BucketName": "exports",
        "S3Prefix": "mail",
    },
    "TestAvailabilityConfiguration": {"DomainName": "partner.example"},
    "UpdateAvailabilityConfiguration": {"DomainName": "partner.example", **PROVIDER},
    "UpdateDefaultMailDomain": {"DomainName": "demo.test"},
    "UpdateGroup": {"GroupId": "everyone", "HiddenFromGlobalAddressList": True},
    "UpdateImpersonationRole": {
        "ImpersonationRoleId": "role",
        "Name": "x",
        "Type": "READ_ONLY",
        "Rules": [],
    },
    "UpdateMailboxQuota": {"UserId": "ada", "MailboxQuota": 1},
    "UpdateMobileDeviceAccessRule": {
        "MobileDeviceAccessRuleId": "rule",
        "Name": "x",
        "Effect": "DENY",
    },
    "UpdatePrimaryEmailAddress": {"EntityId": "ada", "Email": "new@demo.test"},
    "UpdateResource": {"ResourceId": "room", "Description": "Strange"},
    "UpdateUser": {"UserId": "ada", "City": "Strange"},
    "WipeMobileDevice": {"UserId": "ada", "DeviceId": "D1"},
    "CreateInboundMailFlowRule": FLOW_RULE,
    "CreateOutboundMailFlowRule": FLOW_RULE,
    "CreateSmtpGateway": GATEWAY,
    "DeleteInboundMailFlowRule": {"MailFlowRuleId": "rule"},
    "DeleteOutboundMailFlowRule": {"MailFlowRuleId": "rule"},
    "DeleteSmtpGateway": {"SmtpGatewayId": "gateway"},
    "DescribeInboundMailFlowRule": {"MailFlowRuleId": "rule"},
    "DescribeOutboundMailFlowRule": {"MailFlowRuleId": "rule"},
    "DescribeSmtpGateway": {"SmtpGatewayId": "gateway"},
    "GetJournalingRules": {},
    "ListInboundMailFlowRules": {},
    "ListOutboundMailFlowRules": {},
    "ListSmtpGateways": {},
    "SetJournalingRules": {},
    "TestInboundMailFlowRules": {"Sender": "a@demo.test", "Recipient": "b@demo.test"},
    "TestOutboundMailFlowRules": {"Sender": "a@demo.test", "Recipient": "b@demo.test"},
    "UpdateInboundMailFlowRule": {"MailFlowRuleId": "rule", **FLOW_RULE},
    "UpdateOutboundMailFlowRule": {"MailFlowRuleId": "rule", **FLOW_RULE},
    "UpdateSmtpGateway": {"SmtpGatewayId": "gateway", **GATEWAY},
}
ON_ENTITIES = {
    "AssociateDelegateToResource": ("ResourceId", "EntityId"),
    "AssociateMemberToGroup": ("MemberId", "GroupId"),
    "CreateAlias": ("EntityId",),
    "DeleteAlias": ("EntityId",),
    "DeleteGroup": ("GroupId",),
    "DeleteMailboxPermissions": ("EntityId", "GranteeId"),
    "DeleteMobileDevice": ("UserId",),
    "DeleteMobileDeviceAccessOverride": ("UserId",),
    "DeleteResource": ("ResourceId",),
    "DeleteUser": ("UserId",),
    "DeregisterFromWorkMail": ("EntityId",),
    "DescribeGroup": ("GroupId",),
    "DescribeResource": ("ResourceId",),
    "DescribeUser": ("UserId",),
    "DisassociateDelegateFromResource": ("ResourceId", "EntityId"),
    "DisassociateMemberFromGroup": ("MemberId", "GroupId"),
    "GetAccessControlEffect": ("UserId",),
    "GetMailboxDetails": ("UserId",),
    "GetMobileDeviceAccessOverride": ("UserId",),
    "GetMobileDeviceDetails": ("UserId",),
    "GetMobileDevicesForUser": ("UserId",),
    "ListAliases": ("EntityId",),
    "ListGroupMembers": ("GroupId",),
    "ListGroupsForEntity": ("EntityId",),
    "ListMailboxPermissions": ("EntityId",),
    "ListPersonalAccessTokens": ("UserId",),
    "ListMobileDeviceAccessOverrides": ("UserId",),
    "ListResourceDelegates": ("ResourceId",),
    "PutMailboxPermissions": ("EntityId", "GranteeId"),
    "PutMobileDeviceAccessOverride": ("UserId",),
    "RegisterToWorkMail": ("EntityId",),
    "ResetPassword": ("UserId",),
    "StartMailboxExportJob": ("EntityId",),
    "UpdateGroup": ("GroupId",),
    "UpdateMailboxQuota": ("UserId",),
    "UpdatePrimaryEmailAddress": ("EntityId",),
    "UpdateResource": ("ResourceId",),
    "UpdateUser": ("UserId",),
    "WipeMobileDevice": ("UserId",),
}
OWN = {
    "EntityId": "eve",
    "GranteeId": "eve",
    "GroupId": "everyone",
    "MemberId": "eve",
    "ResourceId": "room",
    "UserId": "eve",
}


def snapshot(demo: Tenant) -> dict[str, Any]:
    return {**demo("DescribeOrganization"), **demo("ListUsers")}


def test_another_accounts_organization_is_not_found(demo: Tenant, other: Tenant) -> None:
    demo.user("ada")
    demo.user("disabled", enabled=False)
    demo.group("everyone")
    before = snapshot(demo)
    for action, parameters in CALLS.items():
        answer = refused(other, action, OrganizationId=demo.organization, **parameters)
        unknown = refused(other, action, OrganizationId="m-" + "0" * 32, **parameters)
        assert answer[0] == unknown[0] == "OrganizationNotFoundException", action
        assert answer[1].replace(demo.organization, "") == unknown[1].replace("m-" + "0" * 32, "")
    assert snapshot(demo) == before


def test_every_working_action_is_walked(api: ApiServer) -> None:
    above = {
        "CreateIdentityCenterApplication",
        "CreateOrganization",
        "DeleteIdentityCenterApplication",
        "ListOrganizations",
    }
    by_arn = {"ListTagsForResource", "TagResource", "UntagResource"}
    by_message = set(load_services()[MESSAGE_FLOW].operations)
    assert set(CALLS) == set(registry(ALL)) - above - by_arn - by_message


def test_another_organizations_entities_are_not_found(demo: Tenant, other: Tenant) -> None:
    user = demo.user("ada")
    other.user("eve")
    other.group("everyone")
    other("CreateResource", Name="room", Type="ROOM")
    before = snapshot(demo)
    for action, members in ON_ENTITIES.items():
        for member in members:
            own = {name: OWN[name] for name in members}
            parameters = {**CALLS[action], **own, member: user}
            code, message = refused(other, action, **parameters)
            assert code == "EntityNotFoundException", action
            assert "ada" not in message
    assert snapshot(demo) == before


def test_an_unknown_key_learns_nothing(api: ApiServer, demo: Tenant) -> None:
    import boto3

    client = boto3.client(
        "workmail",
        region_name="us-east-1",
        endpoint_url=api.url,
        aws_access_key_id="AKIANOBODY",
        aws_secret_access_key="nothing",
    )
    for organization in (demo.organization, "m-" + "0" * 32):
        code, _ = refused(client.describe_organization, OrganizationId=organization)
        assert code == "UnrecognizedClientException"


@pytest.mark.parametrize("action", sorted(CALLS))
def test_a_policy_without_the_action_is_told_so(api: ApiServer, demo: Tenant, action: str) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"workmail:*",'
        f'"Resource":"*"}},{{"Effect":"Deny","Action":"workmail:{action}","Resource":"*"}}]}}'
    )
    client = api.client(demo.account, policy)
    limited = Tenant(client, demo.account, demo.organization, demo.domain)
    code, message = refused(limited, action, **CALLS[action])
    assert code == "AccessDeniedException"
    assert f"workmail:{action}" in message
    assert client.list_organizations()["OrganizationSummaries"]

"""Each error declared for an action on the directory: how it is provoked, or why it never comes.

Data, so that pages of documentation can be made of it. `test_declared_errors.py` provokes them on
this stage: users ada and grace and the group everyone, resources room and attic, all enabled; the
user and the group and the resource off, disabled; one of each kind that is deleted; a mail domain
that waits for verification; the mobile-device rule phones and the impersonation role role; two
flow rules of each direction, one with the name taken, and two gateways, one with the name taken.
`{name}` stands for the id of what has this name.
"""

from __future__ import annotations

from typing import Any

Parameters = dict[str, Any]

NOT_ASKED = (
    "A directory outside is read-only: what would change it is refused before it is asked, and the"
    " rest is answered from what was read of it."
)
OURS = (
    "Resources, their delegates, and who is hidden, are kept here, whatever the directory is;"
    " reading is never a write."
)
CONSTRAINTS = (
    "What breaks a constraint of the model is told as ValidationException"
    " (docs/decisions/0014-api-front-end.md); beyond those there is nothing to refuse."
)
NO_ADDRESS = "The action has no member that names an address."
NO_MORE = "An update makes no more roles, and of rules the model allows no more than ten."
NO_NAME = "The action names no entity."

EVERYWHERE = {
    "DirectoryServiceAuthenticationFailedException": NOT_ASKED,
    "DirectoryUnavailableException": NOT_ASKED,
    "UnsupportedOperationException": OURS,
}
"""Never raised by an action that has no provocation for them."""

INVALID = "InvalidParameterException"
NOT_FOUND = "EntityNotFoundException"
STATE = "EntityStateException"
UNKNOWN = "ResourceNotFoundException"
IN_USE = "EmailAddressInUseException"
NO_DOMAIN = "MailDomainNotFoundException"
DOMAIN_STATE = "MailDomainStateException"
TAKEN = "NameAvailabilityException"
RESERVED = "ReservedNameException"
PASSWORD = "InvalidPasswordException"
LIMIT = "LimitExceededException"

UNPROVOKABLE: dict[str, dict[str, str]] = {
    "AssumeImpersonationRole": {INVALID: CONSTRAINTS},
    "CreateGroup": {INVALID: CONSTRAINTS},
    "CreateResource": {INVALID: CONSTRAINTS},
    "DeleteGroup": {INVALID: CONSTRAINTS},
    "DeleteImpersonationRole": {INVALID: CONSTRAINTS},
    "DeleteMobileDeviceAccessOverride": {INVALID: CONSTRAINTS},
    "DeleteMobileDeviceAccessRule": {INVALID: CONSTRAINTS},
    "DeleteOrganization": {},
    "DeleteResource": {INVALID: CONSTRAINTS},
    "DeleteUser": {INVALID: CONSTRAINTS},
    "DeregisterFromWorkMail": {INVALID: CONSTRAINTS},
    "DescribeEntity": {INVALID: CONSTRAINTS},
    "DescribeGroup": {INVALID: CONSTRAINTS},
    "DescribeOrganization": {INVALID: CONSTRAINTS},
    "DescribeResource": {INVALID: CONSTRAINTS},
    "DescribeUser": {INVALID: CONSTRAINTS},
    "DisassociateMemberFromGroup": {INVALID: CONSTRAINTS},
    "GetImpersonationRole": {INVALID: CONSTRAINTS},
    "GetImpersonationRoleEffect": {INVALID: CONSTRAINTS},
    "GetMailboxDetails": {INVALID: CONSTRAINTS},
    "GetMobileDeviceAccessEffect": {INVALID: CONSTRAINTS},
    "GetMobileDeviceAccessOverride": {INVALID: CONSTRAINTS},
    "ListGroups": {NOT_FOUND: NO_NAME},
    "ListMobileDeviceAccessRules": {INVALID: CONSTRAINTS},
    "PutMobileDeviceAccessOverride": {INVALID: CONSTRAINTS},
    "ResetPassword": {INVALID: CONSTRAINTS},
    "UpdateGroup": {INVALID: CONSTRAINTS},
    "UpdateImpersonationRole": {"LimitExceededException": NO_MORE},
    "UpdateResource": {
        INVALID: CONSTRAINTS,
        IN_USE: NO_ADDRESS,
        NO_DOMAIN: NO_ADDRESS,
        DOMAIN_STATE: NO_ADDRESS,
    },
}

TOKEN = {"NextToken": "Zm9yZ2Vk"}
ROLE = {"Name": "sync", "Type": "READ_ONLY"}
RULE = {"ImpersonationRuleId": "one", "Effect": "ALLOW"}
NO_ROLE = {"ImpersonationRoleId": "no-role"}
DEVICE = {"UserId": "ada", "DeviceId": "D1"}
NO_DEVICE = {"UserId": "ada", "DeviceId": "D2"}
NOBODYS = {"UserId": "nobody", "DeviceId": "D1"}
BOTH = {"DeviceTypes": ["iPhone"], "NotDeviceTypes": ["iPad"]}
GOOD_PASSWORD = "Correct-Horse7"

FLOW_RULE: Parameters = {
    "Name": "x",
    "Action": {"Type": "DROP"},
    "SenderPatterns": ["*"],
    "DestinationPatterns": ["demo.test"],
}
NO_PATTERN = {**FLOW_RULE, "SenderPatterns": ["a*@demo.test"]}
NO_RULE = {"MailFlowRuleId": "no-rule"}
FUNCTION = {
    **FLOW_RULE,
    "Action": {
        "Type": "RUN_LAMBDA",
        "LambdaArn": "arn:aws:lambda:us-east-1:111122223333:function:mail",
        "FallbackAction": "DEFAULT",
    },
    "DestinationPatterns": ["*"],
}
GATEWAY: Parameters = {
    "Name": "x",
    "Host": "gateway.example",
    "Port": 587,
    "Username": "demo",
    "Password": "secret",
}
NO_GATEWAY = {"SmtpGatewayId": "no-gateway"}
ROUTED = {**FLOW_RULE, "Action": {"Type": "SMTP_GATEWAY", **NO_GATEWAY}}

PROVOCATIONS: dict[str, dict[str, Parameters]] = {
    "AssociateDelegateToResource": {
        NOT_FOUND: {"ResourceId": "room", "EntityId": "nobody"},
        STATE: {"ResourceId": "room", "EntityId": "off-user"},
        INVALID: {"ResourceId": "room", "EntityId": "attic"},
    },
    "AssociateMemberToGroup": {
        NOT_FOUND: {"GroupId": "everyone", "MemberId": "nobody"},
        STATE: {"GroupId": "everyone", "MemberId": "off-user"},
        INVALID: {"GroupId": "everyone", "MemberId": "everyone"},
    },
    "AssumeImpersonationRole": {UNKNOWN: NO_ROLE},
    "CreateAlias": {
        IN_USE: {"EntityId": "{ada}", "Alias": "grace@demo.test"},
        NOT_FOUND: {"EntityId": "nobody-at-all", "Alias": "new@demo.test"},
        STATE: {"EntityId": "{off-user}", "Alias": "new@demo.test"},
        INVALID: {"EntityId": "{ada}", "Alias": "n..ew@demo.test"},
        NO_DOMAIN: {"EntityId": "{ada}", "Alias": "ada@nowhere.example"},
        DOMAIN_STATE: {"EntityId": "{ada}", "Alias": "ada@pending.example"},
    },
    "CreateGroup": {
        TAKEN: {"Name": "ADA"},
        RESERVED: {"Name": "Guest"},
    },
    "CreateImpersonationRole": {
        INVALID: {**ROLE, "Rules": [RULE, RULE]},
        NOT_FOUND: {**ROLE, "Rules": [{**RULE, "TargetUsers": ["nobody"]}]},
        STATE: {**ROLE, "Rules": [{**RULE, "NotTargetUsers": ["{gone-user}"]}]},
    },
    "CreateMobileDeviceAccessRule": {INVALID: {"Name": "x", "Effect": "DENY", **BOTH}},
    "CreateOrganization": {
        "DirectoryUnavailableException": {"Alias": "more", "DirectoryId": "d-0123456789"},
        "DirectoryInUseException": {"Alias": "more", "DirectoryId": "{directory}"},
        INVALID: {"Alias": "more", "EnableInteroperability": True},
        TAKEN: {"Alias": "demo"},
    },
    "CreateResource": {
        TAKEN: {"Name": "everyone", "Type": "ROOM"},
        RESERVED: {"Name": "krbtgt", "Type": "ROOM"},
    },
    "CreateUser": {
        INVALID: {"Name": "new", "DisplayName": "New", "Role": "SYSTEM_USER"},
        PASSWORD: {"Name": "new", "DisplayName": "New", "Password": "weak"},
        TAKEN: {"Name": "room", "DisplayName": "New"},
        RESERVED: {"Name": "Administrator", "DisplayName": "New"},
    },
    "DeleteAlias": {
        NOT_FOUND: {"EntityId": "nobody-at-all", "Alias": "ada@demo.test"},
        STATE: {"EntityId": "{gone-user}", "Alias": "ada@demo.test"},
        INVALID: {"EntityId": "{ada}", "Alias": "ada@demo.test"},
    },
    "DeleteGroup": {STATE: {"GroupId": "everyone"}},
    "DeleteImpersonationRole": {},
    "DeleteMobileDevice": {NOT_FOUND: NOBODYS, UNKNOWN: NO_DEVICE},
    "DeleteMobileDeviceAccessOverride": {NOT_FOUND: NOBODYS},
    "DeleteMobileDeviceAccessRule": {},
    "DeleteOrganization": {INVALID: {"DeleteDirectory": True, "ClientToken": "used"}},
    "DeleteResource": {STATE: {"ResourceId": "room"}},
    "DeleteUser": {STATE: {"UserId": "ada"}},
    "DeregisterFromWorkMail": {
        NOT_FOUND: {"EntityId": "nobody"},
        STATE: {"EntityId": "{gone-user}"},
    },
    "DescribeEntity": {NOT_FOUND: {"Email": "nobody@demo.test"}},
    "DescribeGroup": {NOT_FOUND: {"GroupId": "ada"}},
    "DescribeOrganization": {},
    "DescribeResource": {NOT_FOUND: {"ResourceId": "everyone"}},
    "DescribeUser": {NOT_FOUND: {"UserId": "S-1-1-12-1234567890-123456789-123456789-1234"}},
    "DisassociateDelegateFromResource": {
        NOT_FOUND: {"ResourceId": "room", "EntityId": "nobody"},
        STATE: {"ResourceId": "{gone-resource}", "EntityId": "ada"},
        INVALID: {"ResourceId": "room", "EntityId": "attic"},
    },
    "DisassociateMemberFromGroup": {
        NOT_FOUND: {"GroupId": "nothing", "MemberId": "ada"},
        STATE: {"GroupId": "{gone-group}", "MemberId": "ada"},
    },
    "GetImpersonationRole": {UNKNOWN: NO_ROLE},
    "GetImpersonationRoleEffect": {
        UNKNOWN: {**NO_ROLE, "TargetUser": "ada"},
        NOT_FOUND: {"ImpersonationRoleId": "{role}", "TargetUser": "everyone"},
        STATE: {"ImpersonationRoleId": "{role}", "TargetUser": "off-user"},
    },
    "GetMailboxDetails": {NOT_FOUND: {"UserId": "off-user"}},
    "GetMobileDeviceAccessEffect": {},
    "GetMobileDeviceAccessOverride": {NOT_FOUND: NOBODYS, UNKNOWN: DEVICE},
    "GetMobileDeviceDetails": {NOT_FOUND: NOBODYS, UNKNOWN: NO_DEVICE},
    "GetMobileDevicesForUser": {
        NOT_FOUND: {"UserId": "nobody"},
        INVALID: {"UserId": "ada", **TOKEN},
    },
    "GetMobilePolicyDetails": {},
    "ListAliases": {
        NOT_FOUND: {"EntityId": "nobody-at-all"},
        STATE: {"EntityId": "{gone-user}"},
        INVALID: {"EntityId": "{ada}", **TOKEN},
    },
    "ListGroupMembers": {
        NOT_FOUND: {"GroupId": "nothing"},
        STATE: {"GroupId": "{gone-group}"},
        INVALID: {"GroupId": "everyone", **TOKEN},
    },
    "ListGroups": {INVALID: {"Filters": {"NamePrefix": "a", "State": "ENABLED"}}},
    "ListGroupsForEntity": {
        NOT_FOUND: {"EntityId": "nobody"},
        STATE: {"EntityId": "{gone-user}"},
        INVALID: {"EntityId": "ada", **TOKEN},
    },
    "ListImpersonationRoles": {INVALID: TOKEN},
    "ListMobileDeviceAccessOverrides": {NOT_FOUND: {"UserId": "nobody"}, INVALID: TOKEN},
    "ListMobileDeviceAccessRules": {},
    "ListOrganizations": {INVALID: TOKEN},
    "ListResourceDelegates": {
        NOT_FOUND: {"ResourceId": "nothing"},
        STATE: {"ResourceId": "{gone-resource}"},
        INVALID: {"ResourceId": "room", **TOKEN},
    },
    "ListResources": {INVALID: {"Filters": {"NamePrefix": "a", "State": "ENABLED"}}},
    "ListUsers": {INVALID: {"Filters": {"UsernamePrefix": "a", "State": "ENABLED"}}},
    "PutMobileDeviceAccessOverride": {
        NOT_FOUND: {**NOBODYS, "Effect": "DENY"},
        STATE: {"UserId": "{gone-user}", "DeviceId": "D1", "Effect": "DENY"},
    },
    "RegisterToWorkMail": {
        IN_USE: {"EntityId": "off-user", "Email": "ada@demo.test"},
        NOT_FOUND: {"EntityId": "nobody", "Email": "new@demo.test"},
        STATE: {"EntityId": "{gone-user}", "Email": "new@demo.test"},
        "EntityAlreadyRegisteredException": {"EntityId": "ada", "Email": "new@demo.test"},
        INVALID: {"EntityId": "off-user", "Email": "n..ew@demo.test"},
        NO_DOMAIN: {"EntityId": "off-user", "Email": "new@nowhere.example"},
        DOMAIN_STATE: {"EntityId": "off-user", "Email": "new@pending.example"},
    },
    "ResetPassword": {
        NOT_FOUND: {"UserId": "nobody-at-all", "Password": GOOD_PASSWORD},
        STATE: {"UserId": "{gone-user}", "Password": GOOD_PASSWORD},
        PASSWORD: {"UserId": "{ada}", "Password": "weak"},
    },
    "SearchMembers": {INVALID: {"SearchText": "a", **TOKEN}},
    "SetMobilePolicyDetails": {INVALID: {"Policy": {"MinimumPasswordLength": 8}}},
    "UpdateGroup": {
        NOT_FOUND: {"GroupId": "nothing"},
        STATE: {"GroupId": "{gone-group}", "HiddenFromGlobalAddressList": True},
    },
    "UpdateImpersonationRole": {
        INVALID: {"ImpersonationRoleId": "{role}", **ROLE, "Rules": [RULE, RULE]},
        NOT_FOUND: {
            "ImpersonationRoleId": "{role}",
            **ROLE,
            "Rules": [{**RULE, "TargetUsers": ["nobody"]}],
        },
        STATE: {
            "ImpersonationRoleId": "{role}",
            **ROLE,
            "Rules": [{**RULE, "NotTargetUsers": ["{gone-user}"]}],
        },
        UNKNOWN: {**NO_ROLE, **ROLE, "Rules": []},
    },
    "UpdateMailboxQuota": {
        NOT_FOUND: {"UserId": "nobody", "MailboxQuota": 1},
        STATE: {"UserId": "off-user", "MailboxQuota": 1},
        INVALID: {"UserId": "ada", "MailboxQuota": 51_201},
    },
    "UpdateMobileDeviceAccessRule": {
        NOT_FOUND: {"MobileDeviceAccessRuleId": "no-rule", "Name": "x", "Effect": "DENY"},
        INVALID: {"MobileDeviceAccessRuleId": "{phones}", "Name": "x", "Effect": "DENY", **BOTH},
    },
    "UpdatePrimaryEmailAddress": {
        IN_USE: {"EntityId": "ada", "Email": "grace@demo.test"},
        NOT_FOUND: {"EntityId": "nobody", "Email": "new@demo.test"},
        STATE: {"EntityId": "off-user", "Email": "new@demo.test"},
        INVALID: {"EntityId": "ada", "Email": "n..ew@demo.test"},
        NO_DOMAIN: {"EntityId": "ada", "Email": "new@nowhere.example"},
        DOMAIN_STATE: {"EntityId": "ada", "Email": "new@pending.example"},
    },
    "UpdateResource": {
        NOT_FOUND: {"ResourceId": "nothing"},
        STATE: {"ResourceId": "{gone-resource}", "Description": "x"},
        "InvalidConfigurationException": {"ResourceId": "room", "BookingOptions": {}},
        TAKEN: {"ResourceId": "room", "Name": "ada"},
    },
    "UpdateUser": {
        NOT_FOUND: {"UserId": "nobody", "City": "x"},
        STATE: {"UserId": "ada", "Role": "REMOTE_USER"},
        INVALID: {"UserId": "ada", "Role": "RESOURCE"},
    },
    "WipeMobileDevice": {NOT_FOUND: NOBODYS, UNKNOWN: NO_DEVICE},
    "CreateInboundMailFlowRule": {
        INVALID: NO_PATTERN,
        TAKEN: {**FLOW_RULE, "Name": "taken"},
    },
    "UpdateInboundMailFlowRule": {
        INVALID: {"MailFlowRuleId": "{inbound}", **NO_PATTERN},
        TAKEN: {"MailFlowRuleId": "{inbound}", **FLOW_RULE, "Name": "taken"},
        UNKNOWN: {**NO_RULE, **FLOW_RULE},
    },
    "DeleteInboundMailFlowRule": {},
    "DescribeInboundMailFlowRule": {UNKNOWN: NO_RULE},
    "ListInboundMailFlowRules": {INVALID: TOKEN},
    "TestInboundMailFlowRules": {INVALID: {"Sender": "ada", "Recipient": "b@demo.test"}},
    "CreateOutboundMailFlowRule": {
        INVALID: NO_PATTERN,
        TAKEN: {**FLOW_RULE, "Name": "taken"},
        UNKNOWN: ROUTED,
    },
    "UpdateOutboundMailFlowRule": {
        INVALID: {"MailFlowRuleId": "{outbound}", **NO_PATTERN},
        TAKEN: {"MailFlowRuleId": "{outbound}", **FLOW_RULE, "Name": "taken"},
        UNKNOWN: {**NO_RULE, **FLOW_RULE},
    },
    "DeleteOutboundMailFlowRule": {},
    "DescribeOutboundMailFlowRule": {UNKNOWN: NO_RULE},
    "ListOutboundMailFlowRules": {INVALID: TOKEN},
    "TestOutboundMailFlowRules": {INVALID: {"Sender": "ada", "Recipient": "b@demo.test"}},
    "CreateSmtpGateway": {
        INVALID: {**GATEWAY, "Host": "gate..way"},
        TAKEN: {**GATEWAY, "Name": "taken"},
    },
    "UpdateSmtpGateway": {
        INVALID: {"SmtpGatewayId": "{gateway}", **GATEWAY, "Host": "-"},
        TAKEN: {"SmtpGatewayId": "{gateway}", **GATEWAY, "Name": "taken"},
        UNKNOWN: {**NO_GATEWAY, **GATEWAY},
    },
    "DeleteSmtpGateway": {INVALID: {"SmtpGatewayId": "{gateway}"}},
    "DescribeSmtpGateway": {UNKNOWN: NO_GATEWAY},
    "ListSmtpGateways": {INVALID: TOKEN},
    "GetJournalingRules": {},
    "SetJournalingRules": {INVALID: {"JournalRecipient": "journal@archive.example"}},
}

ACTIONS = "tests/protocols/api/actions"
DIRECTORIES = f"{ACTIONS}/test_directories.py"
EXCHANGE = f"{ACTIONS}/test_interoperability.py"

ELSEWHERE: dict[tuple[str, str], str] = {
    **{
        (action, f"{error}Exception"): f"{DIRECTORIES}::test_actions_that_ask_the_directory"
        for action in ("DescribeUser", "RegisterToWorkMail")
        for error in ("DirectoryServiceAuthenticationFailed", "DirectoryUnavailable")
    },
    **{
        (action, "UnsupportedOperationException"): (
            f"{DIRECTORIES}::test_the_directory_is_read_only"
        )
        for action in (
            "AssociateMemberToGroup",
            "CreateGroup",
            "CreateUser",
            "DeleteGroup",
            "DeleteUser",
            "DisassociateMemberFromGroup",
            "ResetPassword",
            "UpdateUser",
        )
    },
    ("RegisterToWorkMail", "UnsupportedOperationException"): (
        f"{EXCHANGE}::test_built_in_users_are_listed_and_stay_disabled"
    ),
    **{
        (action, "UnsupportedOperationException"): (
            f"{EXCHANGE}::test_addresses_and_resources_are_kept_in_exchange"
        )
        for action in ("CreateResource", "UpdatePrimaryEmailAddress")
    },
    ("CreateAlias", "LimitExceededException"): (
        "tests/protocols/api/actions/test_limits.py::test_aliases_of_an_entity"
    ),
    ("CreateImpersonationRole", "LimitExceededException"): (
        "tests/protocols/api/actions/test_impersonation_roles.py::test_twenty_roles_at_most"
    ),
    ("CreateMobileDeviceAccessRule", "LimitExceededException"): (
        "tests/protocols/api/actions/test_mobile_device_access_rules.py::test_ten_rules_at_most"
    ),
    ("CreateOrganization", "LimitExceededException"): (
        "tests/protocols/api/actions/test_limits.py::test_organizations_of_an_account"
    ),
    **{
        (f"{verb}{side}MailFlowRule", LIMIT): (
            f"{ACTIONS}/test_flow_rules.py::test_patterns_are_limited"
        )
        for verb in ("Create", "Update")
        for side in ("Inbound", "Outbound")
    },
    ("CreateSmtpGateway", LIMIT): f"{ACTIONS}/test_smtp_gateways.py::test_gateways_are_limited",
}
"""Tests that provoke what this stage cannot."""

UNDECLARED: dict[tuple[str, str], str] = {
    **{
        (action, "UnsupportedOperationException"): (
            "Under interoperability addresses are kept in Exchange, and the reference declares no"
            " error that says so."
        )
        for action in ("CreateAlias", "DeleteAlias")
    },
    ("CreateUser", "LimitExceededException"): (
        "The reference has a limit of users and declares no error for it."
    ),
    ("UpdatePrimaryEmailAddress", "LimitExceededException"): (
        "The old primary address becomes an alias, of which there is a limit."
    ),
    **{
        (action, NOT_FOUND): "The reference tells of unknown entities and declares no error."
        for action in ("DeleteGroup", "DeleteResource", "DeleteUser")
    },
}
"""Errors that are sent though the reference does not declare them."""
